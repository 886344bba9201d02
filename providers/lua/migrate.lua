-- Moves data between storages, with Prosody stopped; after common and prosody. Each run knows one configuration:
--
--   places FILE       prints "base" and the directory of Prosody's data, then where a configuration keeps its data: a line
--                     per host and database
--   probe FILE        opens every storage; prints "holds COUNT DATABASE" for each database that has data
--   empty FILE        prints "empty" if its storages have nothing of anybody's
--   clear FILE        deletes all rows of its databases
--   export FILE DIR   writes all data into DIR, in the format of the internal storage
--   import FILE DIR COUNT   brings the data of DIR, so many records, into the storages, and reads it back; what would be
--                     in files is made in DIR/.new, a database as its path with "%" for each "/"
--
-- prosody-migrator does the same for stores that are named one by one; this takes what is there, hosts that are not
-- configured any more included, tells data of a host from that of a user, and proves that nothing was lost.

local mode, file, directory = arg[1], arg[2], arg[3]
load_prosody(true, file)
become_prosody()

local config, st = require "core.configmanager", require "util.stanza"
local storagemanager, modulemanager = require "core.storagemanager", require "core.modulemanager"
local lfs, datamanager, hashes = require "lfs", require "util.datamanager", require "util.hashes"
local stamp = require "util.datetime".datetime
local internal, data = storagemanager.olddm, prosody.paths.data
local resolve = require "util.paths".resolve_relative_path
-- What is there already is never too much.
config.set("*", "storage_archive_item_limit", 1e9)

-- Tells how many records a step is through with, once a second.
local told = os.time()
local function progress(doing, count)
  if os.time() == told then return end
  told = os.time()
  io.write("progress: ", doing, " ", count, arg[4] and " of " .. arg[4] or "", " records\n")
  io.flush()
end

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

-- The connection to the database of a host, if any of its stores is there.
local function engine_of(host)
  driver_of(host, "accounts")
  local storage = config.get(host, "storage")
  for store, driver in pairs(type(storage) == "table" and storage or {}) do
    if driver == "sql" then driver_of(host, store) end
  end
  local module = modulemanager.get_module(host, "storage_sql")
  if not module then return end
  for _, engine in pairs(module.module:shared "/*/sql/connections") do return engine end
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

-- Databases of some releases keep whole seconds.
local function item_text(key, item, when, with)
  item = st.preserialize(st.clone(item))
  item.attr.stamp, item.attr.stamp_legacy = nil, nil
  return table.concat({ key, tostring(math.floor(when or 0)), with or "", canonical(item) }, "\0")
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

local function open(host, store, kind)
  local driver = driver_of(host, store)
  local opened, reason = driver:open(store, kind ~= "keyval" and kind or nil)
  if not opened then fail("%s of %s can't be opened: %s", store, host, tostring(reason)) end
  return opened
end

-- Calls visit for everything in the storages of the configuration.
local function each_stored(visit)
  local engines, uses_files = {}, false
  local function look(host)
    local _, name = driver_of(host, "accounts")
    local storage = config.get(host, "storage")
    if name == "internal" or type(storage) == "table" then uses_files = true end
    local engine = engine_of(host)
    if engine then engines[engine] = true end
  end
  for _, host in ipairs(configured()) do look(host) end
  for engine in pairs(engines) do
    each_row(engine, function(host, store, kind, user)
      local _, name = driver_of(host, store)
      if name == "sql" then visit(host, store, kind, user) end
    end)
  end
  if uses_files then
    each_file(data, function(host, store, kind, user)
      local _, name = driver_of(host, store)
      if name == "internal" then visit(host, store, kind, user) end
    end)
  end
end

local function archive_items(store, user, host, name)
  local iterator, reason = store:find(user)
  if not iterator then fail("the archive %s of %s can't be read: %s", name, user or host, tostring(reason)) end
  return iterator
end

-- One digest of everything, as read through the storages; and counts.
local function read_all()
  local digest = { keyval = 0, archive = 0, texts = {} }
  each_stored(function(host, name, kind, user)
    local store = open(host, name, kind)
    local where = table.concat({ host, name, kind, user or "" }, "\0")
    if kind == "keyval" then
      local value, reason = store:get(user)
      if reason then fail("%s of %s can't be read: %s", name, user or host, tostring(reason)) end
      if value ~= nil and next(value) ~= nil then
        digest.keyval = digest.keyval + 1
        progress("reading", digest.keyval + digest.archive)
        digest.texts[#digest.texts + 1] = hashes.sha256(where .. "\0" .. canonical(value))
      end
      return
    end
    local items = {}
    for key, item, when, with in archive_items(store, user, host, name) do
      items[#items + 1] = item_text(key, item, when, with)
      progress("reading", digest.keyval + digest.archive + #items)
    end
    if #items == 0 then return end
    digest.archive = digest.archive + #items
    digest.texts[#digest.texts + 1] = hashes.sha256(where .. "\0" .. table.concat(items, "\1"))
  end)
  table.sort(digest.texts)
  return ("%d values and %d messages"):format(digest.keyval, digest.archive), hashes.sha256(table.concat(digest.texts), true)
end

local function export()
  each_stored(function(host, name, kind, user)
    local store = open(host, name, kind)
    if kind == "keyval" then
      local value = store:get(user)
      internal.set_data_path(directory)
      if value ~= nil then assert(internal.store(user, host, name, value)) end
      internal.set_data_path(data)
      return
    end
    local items = {}
    for key, item, when, with in archive_items(store, user, host, name) do
      item = st.preserialize(st.clone(item))
      item.key, item.when, item.with = key, when, with
      item.attr.stamp = item.attr.stamp or stamp(when)
      items[#items + 1] = item
    end
    internal.set_data_path(directory)
    if #items > 0 then assert(internal.list_store(user, host, name, items)) end
    internal.set_data_path(data)
  end)
end

local function import()
  local written = 0
  local function load_item(item)
    local key, when, with = item.key, item.when, item.with
    item.key, item.when, item.with, item.attr.stamp, item.attr.stamp_legacy = nil, nil, nil, nil, nil
    return key, st.deserialize(item), when, with
  end
  each_file(directory, function(host, name, kind, user)
    local _, driver = driver_of(host, name)
    local store = driver ~= "internal" and open(host, name, kind)
    internal.set_data_path(directory)
    local value, reason
    if kind == "keyval" then value, reason = internal.load(user, host, name)
    else value, reason = internal.list_load(user, host, name) end
    internal.set_data_path(data)
    if value == nil then fail("%s of %s can't be read back: %s", name, user or host, tostring(reason)) end
    local ok, why = true, nil
    if kind == "keyval" then
      if store then ok, why = store:set(user, value) else ok, why = internal.store(user, host, name, value) end
      written = written + 1
    elseif not store then
      ok, why = internal.list_store(user, host, name, value)
      ok = ok ~= nil or why == nil
      written = written + #value
    else
      for _, item in ipairs(value) do
        ok, why = store:append(user, load_item(item))
        if not ok then break end
        written = written + 1
        progress("writing", written)
      end
    end
    progress("writing", written)
    if not ok then fail("%s of %s can't be written: %s", name, user or host, tostring(why)) end
  end)
end

if mode == "places" then
  io.write("base ", data, "\n")
  for _, host in ipairs(configured()) do
    local storage = config.get(host, "storage") or config.get(host, "default_storage") or "internal"
    local sql = config.get(host, "sql") or { driver = "SQLite3" }
    local database, at, port = place_of(sql)
    if sql.driver == "SQLite3" then
      database = file_of(sql)
      if database:sub(1, #data + 1) == data .. "/" then database = database:sub(#data + 2) end
    end
    local uses_sql = storage == "sql" or (type(storage) == "table" and canonical(storage):find("ssql", 1, true))
    io.write(uses_sql and table.concat({ "sql", sql.driver, database, at, port }, " ") or "internal", type(storage) == "table" and canonical(storage) or "", "\n")
  end
elseif mode == "empty" then
  local empty = true
  -- Prosody's notes of when it ran which task are nobody's.
  each_stored(function(_, store) empty = empty and store == "cron" end)
  if empty then io.write "empty\n" end
elseif mode == "probe" or mode == "clear" then
  local seen = {}
  for _, host in ipairs(configured()) do
    local engine = engine_of(host)
    if engine and not seen[engine] then
      seen[engine] = true
      if mode == "clear" then
        local ok, reason = engine:transaction(function()
          engine:delete 'DELETE FROM "prosody"'
          engine:delete 'DELETE FROM "prosodyarchive"'
        end)
        if not ok then fail("the database can't be emptied: %s", tostring(reason)) end
      end
      local count = rows(engine, 'SELECT (SELECT COUNT(*) FROM "prosody") + (SELECT COUNT(*) FROM "prosodyarchive")')[1][1]
      if tonumber(count) > 0 then io.write("holds ", count, " ", engine.params.driver, "\n") end
    end
  end
elseif mode == "export" then
  local counts, digest = read_all()
  export()
  io.write("data ", digest, " ", counts, "\n")
elseif mode == "import" then
  import()
  local counts, digest = read_all()
  io.write("data ", digest, " ", counts, "\n")
end
os.exit(0)
