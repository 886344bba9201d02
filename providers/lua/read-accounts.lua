-- Prints all accounts of all virtual hosts, those without a server and those no longer configured included.
-- Input:  source of accounts.lua
-- Output: one line of JSON per account: {"jid": …, "account": {…}}; then {"complete": true}, or {"unreadable": why}

local library = field()
local loaded, reason = pcall(load_prosody)
if not loaded then
  io.write('{"unreadable":', json_bytes(reason), "}\n")
  os.exit(0)
end
assert(load(library, "=accounts"))()
local lfs, json, datamanager = require "lfs", require "util.json", require "util.datamanager"

local hosts = {}
for host, options in pairs(require "core.configmanager".getconfig()) do
  if host ~= "*" and not options.component_module then hosts[host] = true end
end
for directory in lfs.dir(prosody.paths.data) do
  if lfs.attributes(prosody.paths.data .. "/" .. directory .. "/accounts", "mode") == "directory" then
    hosts[datamanager.path_decode(directory)] = true
  end
end
for host in pairs(hosts) do
  prepare_host(host)
  -- A database may not answer, or not to this password: what is wrong shows where it is.
  local opened, users, data, first = pcall(function() return require "core.storagemanager".open(host, "accounts"):users() end)
  if not opened or not users then
    io.write('{"unreadable":', json_bytes("the storage of " .. host .. " can't be read"), "}\n")
    os.exit(0)
  end
  for user in users, data, first do
    -- What can't be read is an account without a password.
    local ok, account = pcall(stored_account, user, host)
    if account then
      io.write(json.encode { jid = user .. "@" .. host, account = ok and account or {} }, "\n")
    end
  end
end
io.write '{"complete":true}\n'
