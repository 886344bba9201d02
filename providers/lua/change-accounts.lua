-- Makes, changes and deletes accounts: in the running server when it answers, otherwise in its storage.
-- Input:  socket paths, seconds, source of accounts.lua, then operations:
--         "set" or "replace", user, host, password, its verifier for a new account or an empty field
--         "delete", user, host, file of the archive that is written before
-- Output: for each operation one line of JSON: {"account": …, "found": …}, {} after a deletion, or {"error": …}

local ask = connect(field(), tonumber(field()))
local library = field()
local operations, deletions = {}, {}
for action in field do
  local operation = { action = action, user = field(), host = field() }
  operations[#operations + 1] = operation
  if action == "delete" then
    operation.file = field()
    deletions[#deletions + 1] = operation
  else
    operation.password = field()
    operation.verifier = field()
  end
end

local lost
if ask then
  local ok, text = ask("> " .. library)
  if not ok then lost = text end
end

-- The data directory, if the server says that all who are to be deleted have their data there: Prosody's libraries, which
-- take a while to load, are not needed then.
local function only_directory()
  local known, data = {}, nil
  for _, operation in ipairs(deletions) do
    local host = operation.host
    if not known[host] then
      local ok, text = ask(("> return data_directory(%s)"):format(literal(host)))
      if not ok or text:sub(1, 1) ~= "/" then return nil end
      known[host], data = true, text
    end
  end
  return data
end

local loaded, load_error = false, nil
local as_root = #deletions > 0 -- for their archives
local data = ask and not lost and only_directory()
if data then
  find_libraries()
elseif as_root or not ask then
  loaded, load_error = pcall(load_prosody, as_root)
  for _, operation in ipairs(loaded and {} or ask and deletions or operations) do operation.error = load_error end
  if loaded then
    assert(load(library, "=accounts"))()
    data = prosody.paths.data
    for _, operation in ipairs(deletions) do
      prepare_host(operation.host)
      local ok, reason = pcall(refuse_component, operation.user, operation.host)
      if not ok then operation.error = reason end
    end
  end
end
if data then
  local accepted = {}
  for _, operation in ipairs(deletions) do
    if not operation.error then accepted[#accepted + 1] = operation end
  end
  for operation, why in pairs(write_archives(accepted, data)) do operation.unsaved = why end
end
if loaded and as_root then become_prosody() end

local function problem(reason) return '{"error":' .. json_bytes(reason) .. "}" end

local function online(code)
  if #code > 9800 then return problem "the password is too long" end
  if lost then return problem(lost) end
  local ok, text = ask("> return " .. code)
  if ok == nil then lost = text end
  if not ok or text:sub(1, 1) ~= "{" then return problem(text) end
  return text
end

local function offline(operation)
  local user, host = operation.user, operation.host
  prepare_host(host)
  if operation.action == "delete" then
    return account_json(delete_whole, user, host, require "core.storagemanager".purge)
  end
  if not is_configured(host) then return problem(host .. " is not among Prosody's virtual hosts") end
  prepare_accounts(host)
  return account_json(set_account, user, host, operation.password, operation.action == "replace", operation.verifier)
end

local function change(operation)
  local user, host = literal(operation.user), literal(operation.host)
  if operation.error then return problem(operation.error) end
  if operation.unsaved then return problem("no archive could be written, so nothing was deleted: " .. operation.unsaved) end
  if not ask then return offline(operation) end
  if operation.action ~= "delete" then
    return online(("account_json(set_account,%s,%s,%s,%s,%s)"):format(
      user, host, literal(operation.password), operation.action == "replace", literal(operation.verifier)))
  end
  local result = online(("account_json(delete_account,%s,%s)"):format(user, host))
  if result ~= '{"account":false}' then return result end
  -- Without Prosody's libraries here, the server had the host a moment ago.
  return loaded and offline(operation) or problem("the server no longer has its virtual host, so nothing was deleted")
end

local told = os.time()
for i, operation in ipairs(operations) do
  io.write(change(operation), "\n")
  if os.time() > told then
    told = os.time()
    io.stderr:write("progress: ", i, " of ", #operations, "\n")
  end
end
