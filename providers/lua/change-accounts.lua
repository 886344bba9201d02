-- Makes, changes and deletes accounts: in the running server when it answers, otherwise in its storage.
-- Input:  socket paths, seconds, source of accounts.lua, then operations of five fields:
--         "set" or "replace", user, host, password, its verifier for a new account or an empty field
--         "delete", user, host, file of the archive that is written before, an empty field
-- Output: for each operation one line of JSON: {"account": …}, {} after a deletion, or {"error": …}

local ask = connect(field(), tonumber(field()))
local library = field()
local operations, deletes = {}, false
for action in field do
  operations[#operations + 1] = { action = action, user = field(), host = field(), extra = field(), verifier = field() }
  deletes = deletes or action == "delete"
end

local loaded, load_error = false, nil
if deletes or not ask then
  loaded, load_error = pcall(load_prosody, true)
  for _, operation in ipairs(operations) do
    if loaded and operation.action == "delete" then
      prepare_host(operation.host)
      local ok, reason = pcall(archive_user, operation.user, operation.host, operation.extra)
      if not ok then operation.error = reason end
    elseif not loaded and (operation.action == "delete" or not ask) then
      operation.error = load_error
    end
  end
  if loaded then
    become_prosody()
    assert(load(library, "=accounts"))()
  end
end

local function json_error(reason) return '{"error":' .. json_bytes(reason) .. "}" end

local lost
if ask then
  local ok, text = ask("> " .. library)
  if not ok then lost = text end
end

local function online(code)
  if #code > 9800 then return json_error "the password is too long" end
  if lost then return json_error(lost) end
  local ok, text = ask("> return " .. code)
  if ok == nil then lost = text end
  if not ok or text:sub(1, 1) ~= "{" then return json_error(text) end
  return text
end

local function offline(operation)
  local user, host = operation.user, operation.host
  prepare_host(host)
  if operation.action == "delete" then
    return account_json(function() assert(require "core.storagemanager".purge(user, host)) end)
  end
  if not is_configured(host) then return json_error(host .. " is not among Prosody's virtual hosts") end
  prepare_accounts(host)
  return account_json(set_account, user, host, operation.extra, operation.action == "replace", operation.verifier)
end

local function change(operation)
  local user, host = literal(operation.user), literal(operation.host)
  if operation.error then return json_error(operation.error) end
  if not ask then return offline(operation) end
  if operation.action ~= "delete" then
    return online(("account_json(set_account,%s,%s,%s,%s,%s)"):format(
      user, host, literal(operation.extra), operation.action == "replace", literal(operation.verifier)))
  end
  if online(("account_json(has_host,%s)"):format(host)) == '{"account":false}' then return offline(operation) end
  return online(("account_json(delete_account,%s,%s)"):format(user, host))
end

local told = os.time()
for i, operation in ipairs(operations) do
  io.write(change(operation), "\n")
  if os.time() > told then
    told = os.time()
    io.stderr:write("progress: ", i, " of ", #operations, "\n")
  end
end
