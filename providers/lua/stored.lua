-- Where a configuration keeps data, and everything that is there; after common and prosody, before migrate.
--
-- Sets the configuration up for the run that the arguments tell.

local mode, file, directory = arg[1], arg[2], arg[3]
load_prosody(false, file)

local config = require "core.configmanager"
local storagemanager, modulemanager = require "core.storagemanager", require "core.modulemanager"
local lfs, datamanager = require "lfs", require "util.datamanager"
local internal, data = storagemanager.olddm, prosody.paths.data
local resolve = require "util.paths".resolve_relative_path
-- What is there already is never too much.
config.set("*", "storage_archive_item_limit", 1e9)

local function fail(text, ...)
  io.stderr:write(text:format(...), "\n")
  os.exit(1)
end

-- Driver of a store, without Prosody's fallback to one that keeps nothing.
local function driver_of(host, store)
  prepare_host(host)
  local driver, name = storagemanager.get_driver(host, store)
  if name == "null" then fail("the storage of %s can't be opened: Prosody needs its driver, or the database does not answer", host) end
  return driver, name
end

-- The names of a host's drivers by store; that of stores which the configuration does not name is under "".
local function drivers_of(host)
  local storage = config.get(host, "storage")
  local names = { [""] = type(storage) == "string" and storage or config.get(host, "default_storage") or "internal" }
  for store, name in pairs(type(storage) == "table" and storage or {}) do
    if type(store) == "string" and name and name ~= names[""] then names[store] = name end
  end
  return names
end

local function uses(host, driver)
  for _, name in pairs(drivers_of(host)) do
    if name == driver then return true end
  end
  return false
end

local function rows(engine, statement)
  local list = {}
  local ok, reason = engine:transaction(function()
    for row in engine:select(statement) do
      local copy = {}
      for i = 1, 4 do copy[i] = row[i] end
      list[#list + 1] = copy
    end
  end)
  if not ok then fail("the database refuses: %s", tostring(reason)) end
  return list
end

-- Calls visit(host, store, kind, user) for everything in an internal storage; user is nil for what belongs to a host.
local function each_file(root, visit)
  for name in lfs.dir(root) do
    local path = root .. "/" .. name
    if not name:match "^%." and lfs.attributes(path, "mode") == "directory" then
      local host = datamanager.path_decode(name)
      for entry in lfs.dir(path) do
        local base, extension = entry:match "^(.+)%.(%a+)$"
        local kind = extension == "dat" and "keyval" or extension == "list" and "archive"
        if kind and lfs.attributes(path .. "/" .. entry, "mode") == "file" then
          visit(host, datamanager.path_decode(base), kind, nil)
        elseif not entry:match "^%." and lfs.attributes(path .. "/" .. entry, "mode") == "directory" then
          for item in lfs.dir(path .. "/" .. entry) do
            local user, ending = item:match "^(.+)%.(%a+)$"
            local type_ = ending == "dat" and "keyval" or ending == "list" and "archive"
            if type_ then visit(host, datamanager.path_decode(entry), type_, datamanager.path_decode(user)) end
          end
        end
      end
    end
  end
end

local function nonempty(text) return text ~= "" and text or nil end

local function each_row(engine, visit)
  for _, row in ipairs(rows(engine, 'SELECT DISTINCT "host", "store", "user" FROM "prosody"')) do
    visit(row[1], row[2], "keyval", nonempty(row[3]))
  end
  for _, row in ipairs(rows(engine, 'SELECT DISTINCT "host", "store", "user" FROM "prosodyarchive"')) do
    visit(row[1], row[2], "archive", nonempty(row[3]))
  end
end

-- Text that is the same for the same value.
local function canonical(value)
  if type(value) == "table" then
    local parts = {}
    for key, item in pairs(value) do parts[#parts + 1] = canonical(key) .. "=" .. canonical(item) end
    table.sort(parts)
    return "{" .. table.concat(parts, ",") .. "}"
  elseif type(value) == "number" then
    return ("%.14g"):format(value)
  end
  return type(value):sub(1, 1) .. tostring(value)
end

local function configured()
  local hosts = {}
  for host in pairs(config.getconfig()) do
    if host ~= "*" then hosts[#hosts + 1] = host end
  end
  table.sort(hosts)
  return hosts
end

-- The file of an SQLite database, whatever the words of its configuration.
local function file_of(sql) return (resolve(data, sql.database or "prosody.sqlite"):gsub("/%./", "/")) end

-- Where a database is: name, host and port, which a connection string of libpq says in its own words. How it is reached
-- (user, password, TLS) makes it no other.
local function place_of(sql)
  local text, said = tostring(sql.database or ""), {}
  if text:find("=", 1, true) and not text:find("://", 1, true) then
    for name, value in (text .. " "):gmatch "(%w+)%s*=%s*([^'%s]%S*)%s" do said[name] = value end
    for name, value in text:gmatch "(%w+)%s*=%s*(%b'')" do said[name] = value end
    text = said.dbname or text
  end
  return text, tostring(said.host or sql.host or ""), tostring(said.port or sql.port or "")
end

-- A database in a line: whatever says the same is the same.
local function line_of(sql)
  local database, at, port = place_of(sql)
  if sql.driver == "SQLite3" then
    database = file_of(sql)
    if database:sub(1, #data + 1) == data .. "/" then database = database:sub(#data + 2) end
  end
  return table.concat({ "sql", sql.driver, database, at, port }, " ")
end

local function sql_of(host) return config.get(host, "sql") or { driver = "SQLite3" } end

if mode ~= "places" then
  local fresh, done = mode == "import" and directory .. "/.new", {} -- hosts share the table
  if fresh and not config.get("*", "sql") then config.set("*", "sql", { driver = "SQLite3" }) end
  local hosts = configured()
  hosts[#hosts + 1] = "*"
  for _, host in ipairs(hosts) do
    if fresh then config.set(host, "sqlite_tune", "safe") end -- a write-ahead log would be left behind
    local sql = config.get(host, "sql")
    if sql and not done[sql] then
      if sql.database then sql.database = beside(file, sql.database) end
      if fresh and sql.driver == "SQLite3" then sql.database = fresh .. "/" .. file_of(sql):gsub("/", "%%") end
      done[sql] = true
    end
  end
  if fresh then
    data = fresh
    internal.set_data_path(data)
  end
end

local engines = {}

-- The connection to the database of a host, if any of its stores is there. Hosts share the list of connections.
local function engine_of(host)
  if engines[host] ~= nil then return engines[host] or nil end
  engines[host] = false
  for store, name in pairs(drivers_of(host)) do
    if name == "sql" then driver_of(host, store) end
  end
  local module = modulemanager.get_module(host, "storage_sql")
  for _, engine in pairs(module and module.module:shared "/*/sql/connections" or {}) do
    if line_of(engine.params) == line_of(sql_of(host)) then engines[host] = engine end
  end
  return engines[host] or nil
end

-- Calls visit(engine, host) for each database of the configuration.
local function each_engine(visit)
  local seen = {}
  for _, host in ipairs(configured()) do
    local engine = engine_of(host)
    if engine and not seen[engine] then
      seen[engine] = true
      visit(engine, host)
    end
  end
end

-- Calls visit(host, store, kind, user) for each row that the configuration looks at, and other() for each that it does not:
-- of a host that has its data elsewhere, or is another server's.
local function each_own_row(engine, visit, other)
  each_row(engine, function(host, store, kind, user)
    local _, name = driver_of(host, store)
    if name == "sql" and engine_of(host) == engine then visit(host, store, kind, user)
    elseif other then other() end
  end)
end

-- How many tables of an SQLite database no storage of Prosody's has made: mod_auth_sql's, or somebody's own.
local function other_tables(engine)
  if engine.params.driver ~= "SQLite3" then return 0 end
  return tonumber(rows(engine, [[SELECT COUNT(*) FROM "sqlite_master" WHERE "type" = 'table'
    AND "name" NOT IN ('prosody', 'prosodyarchive') AND "name" NOT LIKE 'sqlite%']])[1][1])
end

local function open(host, store, kind)
  local driver = driver_of(host, store)
  local opened, reason = driver:open(store, kind ~= "keyval" and kind or nil)
  if not opened then fail("%s of %s can't be opened: %s", store, host, tostring(reason)) end
  return opened
end

-- Calls visit for everything in the storages of the configuration, with the connection to its database where it is in one;
-- and other() for what is not its own beside that.
local function each_stored(visit, other)
  local uses_files = false
  for _, host in ipairs(configured()) do
    driver_of(host, "accounts") -- fails for one that can't be opened
    if uses(host, "internal") then uses_files = true end
  end
  each_engine(function(engine)
    each_own_row(engine, function(host, store, kind, user) visit(host, store, kind, user, engine) end, other)
    if other and other_tables(engine) > 0 then other() end
  end)
  if uses_files then
    each_file(data, function(host, store, kind, user)
      local _, name = driver_of(host, store)
      if name == "internal" then visit(host, store, kind, user) end
    end)
  end
end

