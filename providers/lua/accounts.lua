-- What is done with accounts, in the running server (through the admin shell) and without it alike. Globals last
-- as long as the connection to the admin shell. This file has to stay below the shell's 10,000 bytes.

local usermanager = require "core.usermanager"
local storagemanager = require "core.storagemanager"
local config = require "core.configmanager"
local stringprep = require "util.encodings".stringprep
local json = require "util.json"
local lfs = require "lfs"
local log = require "util.logger".init("usermanager")

-- The account as it is stored: its SCRAM verifier (RFC 5802), or an empty table when it has no password.
-- Nil when there is no account.
function stored_account(user, host)
  local data, err = storagemanager.open(host, "accounts"):get(user)
  if err then error(tostring(err), 0) end
  if not data then return nil end
  local account = {
    salt = data.salt, iterations = data.iteration_count,
    storedKey = data.stored_key, serverKey = data.server_key,
  }
  if data.password and not data.stored_key then
    -- Stored in clear by another authentication module, until the user logs in.
    local is_hashed = (config.get(host, "authentication") or "internal_hashed") == "internal_hashed"
    local hash = require "util.sasl.scram".hashers[is_hashed and config.get(host, "password_hash") or "SHA-1"]
    local hex = require "util.hex"
    account.salt, account.iterations = require "util.uuid".generate(), 10000
    local ok, stored_key, server_key = hash(data.password, account.salt, account.iterations)
    if not ok then return {} end
    account.storedKey, account.serverKey = hex.encode(stored_key), hex.encode(server_key)
  end
  return account
end

local function must(ok, err)
  if not ok then error(tostring(err), 0) end
end

-- The keys of a verifier, if there is one and they are such as the host's accounts get; otherwise Prosody makes its own.
local function keys_of(verifier, host)
  if not verifier then return nil end
  if (config.get(host, "authentication") or "internal_hashed") ~= "internal_hashed" then return nil end
  if (config.get(host, "password_hash") or "SHA-1") ~= "SHA-1" then return nil end
  local iterations, salt, stored_key, server_key = verifier:match "^SCRAM%-SHA%-1%$(%d+):([^$]+)%$([^:]+):(.+)$"
  if not iterations or tonumber(iterations) ~= (config.get(host, "default_iteration_count") or 10000) then return nil end
  local decode, encode = require "util.encodings".base64.decode, require "util.hex".encode
  return {
    salt = decode(salt), iteration_count = tonumber(iterations),
    stored_key = encode(decode(stored_key)), server_key = encode(decode(server_key)),
  }
end

-- An account with these keys, as if it had got them by its password: so that the server, whose main thread would be
-- taken by a hash for some milliseconds, goes on serving. It is written once, behind its role, so that what is cut off is
-- no account; Prosody's own way writes it three times, and a file system that makes sure of what a file is replaced by
-- takes longer for that than for all else.
local function create_with_keys(user, host, role, keys)
  if role then
    local ok, err = usermanager.set_user_role(user, host, role)
    if not ok then return ok, err end
  end
  keys.created = os.time()
  keys.updated = keys.created
  local ok, err = storagemanager.open(host, "accounts"):set(user, keys)
  if not ok then return ok, err end
  log("info", "User account created: %s@%s", user, host)
  prosody.events.fire_event("user-enabled", { username = user, host = host })
  return true
end

local function create(user, host, password, keys)
  local ok, err
  -- 0.12 has no roles for accounts
  local role = usermanager.create_user_with_role and (config.get("*", "default_provisioned_role") or "prosody:member")
  if keys then
    ok, err = create_with_keys(user, host, role, keys)
  elseif role then
    ok, err = usermanager.create_user_with_role(user, password, host, role)
  else
    ok, err = usermanager.create_user(user, password, host)
  end
  if not ok then
    -- What is there by now is disabled and has no password.
    if stored_account(user, host) then usermanager.delete_user(user, host) end
    must(ok, err)
  end
end

-- Makes an account, or gives a password to one that has none. With `replace`, sets the password in any case:
-- clients that are online are logged out. A new account gets the keys of the verifier, if it is given.
-- The second result says that there was one with a password.
function set_account(user, host, password, replace, verifier)
  if not prosody.hosts[host] then error(host .. " is not among Prosody's virtual hosts", 0) end
  if stringprep.nodeprep(user) ~= user then error("Prosody does not take this user name (nodeprep, RFC 6122); write another one into prosody:jids", 0) end
  if not stringprep.saslprep(password) then error("Prosody refuses the password: SASLprep (RFC 4013); choose another in prosody:jids", 0) end
  local before = stored_account(user, host)
  if not before then
    create(user, host, password, keys_of(verifier, host))
  elseif replace or not before.storedKey then
    must(usermanager.set_password(user, password, host, nil))
    -- An account without a password was cut off while it was made, when it is disabled still.
    if not before.storedKey and usermanager.enable_user then usermanager.enable_user(user, host) end
  end
  return stored_account(user, host), before ~= nil and before.storedKey ~= nil
end

-- Fails for an account of a domain that has become a component: what is deleted of a user is all that has the name,
-- so that a room of the same name would go, too.
function refuse_component(user, host)
  if not config.get(host, "component_module") or not stored_account(user, host) then return end
  local encode = storagemanager.olddm.path_encode
  local place, file = prosody.paths.data .. "/" .. encode(host), "accounts/" .. encode(user) .. ".dat"
  error(host .. " is a component now, where a room may have the name of the account, so nothing was deleted. Its data stay in " .. place .. " (or in the database). Make the domain a virtual host again and run pulumi up, which deletes the account, before it is a component; or move what the account has away by hand, " .. file .. " among it", 0)
end

-- The storages that the data of a host's users are in: { [name] = driver }
function storage_drivers(host)
  local drivers, storage = {}, config.get(host, "storage")
  local function add(store)
    local driver, name = storagemanager.get_driver(host, store)
    drivers[name] = driver
  end
  add()
  if type(storage) == "table" then for store in pairs(storage) do add(store) end end
  return drivers
end

-- The authentication of a virtual host, where its accounts are not in Prosody's storage.
local function other_authentication(host)
  if not rawget(config.getconfig(), host) then return nil end
  local name = config.get(host, "authentication") or "internal_hashed"
  return not name:find "^internal_" and name ~= "insecure" and name or nil
end

-- Makes sure of a deletion that `delete` carries out: Prosody takes one for done even if a storage failed. An account of
-- which something is left stays an account, so that the next deletion finds it.
function delete_whole(user, host, delete)
  local accounts = storagemanager.open(host, "accounts")
  local account = accounts:get(user)
  local other = other_authentication(host)
  if other then
    -- Who has the name there goes on using the data.
    accounts:set(user, nil)
    if not stored_account(user, host) then return end
    error("the authentication " .. other .. " of " .. host .. " lets no account be deleted. Take it out of prosody:options, run pulumi up, and set it again then", 0)
  end
  local ok, err = delete(user, host)
  for name, driver in pairs(ok and storage_drivers(host) or {}) do
    local directory = name == "internal" and prosody.paths.data .. "/" .. storagemanager.olddm.path_encode(host)
    if driver.purge and (not directory or lfs.attributes(directory)) then
      local done, reason = driver:purge(user)
      if not done and reason then ok, err = false, reason end
    end
  end
  if ok and not stored_account(user, host) then return end
  if account then accounts:set(user, account) end
  error("not all data of " .. user .. "@" .. host .. " could be deleted (what there was is archived): " .. tostring(err), 0)
end

-- Removes an account with the user's data. False when the server does not have the host.
function delete_account(user, host)
  if not prosody.hosts[host] then return false end
  refuse_component(user, host)
  if stored_account(user, host) then delete_whole(user, host, usermanager.delete_user) end
end

-- The data directory, if a virtual host that the server has keeps all data of its users in the internal storage.
function data_directory(host)
  if not prosody.hosts[host] or prosody.hosts[host].type ~= "local" then return nil end
  for name in pairs(storage_drivers(host)) do
    if name ~= "internal" then return nil end
  end
  return prosody.paths.data
end

-- Runs one of the above. A line of JSON: {"account": …, "found": …} or {"error": …}
function account_json(action, ...)
  local ok, result, found = pcall(action, ...)
  if not ok then return json.encode { error = tostring(result) } end
  return json.encode { account = result, found = found }
end
