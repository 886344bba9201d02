-- Where Prosody keeps its data, by its configuration; after prosody.lua and common.lua.

local function quote(word) return "'" .. tostring(word):gsub("'", "'\\''") .. "'" end

-- Goes to a stage that root has made, and makes sure of it, as `enter` in backup/scripts.ts says.
local function enter(stage)
  local lfs = require "lfs"
  assert(lfs.chdir(stage))
  local named, here = lfs.symlinkattributes(stage), lfs.attributes "."
  local is_here = named and named.mode == "directory" and named.dev == here.dev and named.ino == here.ino
  if not is_here or here.uid ~= 0 then error("somebody has replaced " .. stage .. " meanwhile", 0) end
end

-- A command of PostgreSQL's own programs on one of these databases. Its password goes into the file `pass`.
local function postgresql(program, database, pass)
  if database.password then
    local file = assert(io.popen("umask 077; cat > " .. quote(pass), "w"))
    assert(file:write(database.password))
    assert(file:close())
  end
  return table.concat({
    database.password and 'PGPASSWORD="$(cat ' .. quote(pass) .. ')"' or "", program, "--no-password",
    database.host and "--host=" .. quote(database.host) or "",
    database.port and "--port=" .. quote(database.port) or "",
    database.username and "--username=" .. quote(database.username) or "",
    "--dbname=" .. quote(database.database),
  }, " ")
end

-- Hosts of the configuration: name → "" for a virtual host, or the component's module.
local function configured_hosts()
  local hosts = {}
  for host, options in pairs(require "core.configmanager".getconfig()) do
    if host ~= "*" then hosts[host] = options.component_module or "" end
  end
  return hosts
end

-- Drivers whose data can be moved, or that keep nothing.
local usual = { internal = true, sql = true, none = true, memory = true }

-- Whether any store is in files; the parameters of each database, as mod_storage_sql completes them; names of other drivers.
local function storages()
  local config, resolve = require "core.configmanager", require "util.paths".resolve_relative_path
  local files, databases, others, known = false, {}, {}, {}
  local function add(driver, host)
    if not usual[driver] and not known[driver] then
      known[driver] = true
      others[#others + 1] = driver
    end
    if driver ~= "sql" then
      files = true
      return
    end
    local given = config.get(host, "sql") or { driver = "SQLite3" }
    local database = given.database
    if given.driver == "SQLite3" then database = resolve(prosody.paths.data, database or "prosody.sqlite") end
    local key = given.driver .. " " .. tostring(database) .. " " .. tostring(given.host) .. " " .. tostring(given.port or 5432)
    if known[key] then return end
    known[key] = true
    databases[#databases + 1] = {
      driver = given.driver, database = database, username = given.username, password = given.password,
      host = given.host, port = given.port,
    }
  end
  for host in pairs(configured_hosts()) do
    local default = config.get(host, "default_storage") or "internal"
    local storage = config.get(host, "storage") or default
    if type(storage) ~= "table" then storage = { storage } else storage[1] = default end
    for _, driver in pairs(storage) do add(driver, host) end
  end
  return files, databases, others
end
