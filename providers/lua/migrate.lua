-- Moves data between storages, with Prosody stopped; after stored. Each run knows one configuration:
--
--   places FILE       prints "base" and the directory of Prosody's data, then where a configuration keeps its data: a line
--                     per host and database; and "other DRIVER of STORE on HOST" for data that no move brings along
--   probe FILE        opens every storage; prints "holds COUNT DATABASE", as in places, for each database that has data
--   empty FILE        prints "empty" if its storages have nothing of anybody's
--   clear FILE        deletes all rows that its storages have in databases, SQLite left out, and prints which they are
--   digest FILE       reads everything; prints "database DIGEST DATABASE" for what each has of it, SQLite left out, and
--                     "data DIGEST COUNTS", as do the next two
--   export FILE DIR   writes all data into DIR, in the format of the internal storage; DIR/.others tells that a database
--                     has what is not the configuration's
--   import FILE DIR COUNT   brings the data of DIR, so many records, into the storages, and reads it back; what would be
--                     in files is made in DIR/.new, a database as its path with "%" for each "/"; of one that is there
--                     already, the rows that the storages don't look at are kept
--
-- prosody-migrator does the same for stores that are named one by one; this takes what is there, hosts that are not
-- configured any more included, tells data of a host from that of a user, and proves that nothing was lost.

local st, hashes = require "util.stanza", require "util.hashes"
local stamp = require "util.datetime".datetime

-- Tells how many records a step is through with, once a second.
local told = os.time()
local function progress(doing, count)
  if os.time() == told then return end
  told = os.time()
  io.write("progress: ", doing, " ", count, arg[4] and " of " .. arg[4] or "", " records\n")
  io.flush()
end

-- Databases of some releases keep whole seconds.
local function item_text(key, item, when, with)
  item = st.preserialize(st.clone(item))
  item.attr.stamp, item.attr.stamp_legacy = nil, nil
  return table.concat({ key, tostring(math.floor(when or 0)), with or "", canonical(item) }, "\0")
end

local function archive_items(store, user, host, name)
  local iterator, reason = store:find(user)
  if not iterator then fail("the archive %s of %s can't be read: %s", name, user or host, tostring(reason)) end
  return iterator
end

local function digest_of(texts)
  table.sort(texts)
  return hashes.sha256(table.concat(texts), true)
end

-- Digests of everything, as read through the storages, and counts: lines "database" and "data", as above.
local function read_all()
  local digest, parts = { keyval = 0, archive = 0, texts = {} }, {}
  each_engine(function(engine) parts[engine] = {} end)
  local function add(engine, text)
    local one = hashes.sha256(text)
    digest.texts[#digest.texts + 1] = one
    if engine then parts[engine][#parts[engine] + 1] = one end
  end
  each_stored(function(host, name, kind, user, engine)
    local store = open(host, name, kind)
    local where = table.concat({ host, name, kind, user or "" }, "\0")
    if kind == "keyval" then
      local value, reason = store:get(user)
      if reason then fail("%s of %s can't be read: %s", name, user or host, tostring(reason)) end
      if value ~= nil and next(value) ~= nil then
        digest.keyval = digest.keyval + 1
        progress("reading", digest.keyval + digest.archive)
        add(engine, where .. "\0" .. canonical(value))
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
    add(engine, where .. "\0" .. table.concat(items, "\1"))
  end)
  local lines = {}
  for engine, texts in pairs(parts) do
    if engine.params.driver ~= "SQLite3" then
      lines[#lines + 1] = ("database %s %s\n"):format(digest_of(texts), line_of(engine.params))
    end
  end
  lines[#lines + 1] = ("data %s %d values and %d messages\n"):format(digest_of(digest.texts), digest.keyval, digest.archive)
  return table.concat(lines)
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
  end, function() assert(assert(io.open(directory .. "/.others", "w")):close()) end)
end

-- A new SQLite database counts only once it is whole, and the disk has it: no row has to wait for the disk.
local function hurry(engine)
  if engine.params.driver ~= "SQLite3" then return end
  assert(engine:connect())
  local dbi = engine.conn.autocommit -- no such statement within a transaction, and LuaDBI begins one for each
  if dbi then engine.conn:autocommit(true) end
  engine:execute "PRAGMA synchronous=OFF"
  if dbi then engine.conn:autocommit(false) end
end

local function delete_own_rows(engine)
  local own = {}
  each_own_row(engine, function(host, store) own[host .. "\0" .. store] = { host, store } end)
  if not next(own) then return end -- SQLite commits no transaction in which nothing was done
  local ok, reason = engine:transaction(function()
    for _, each in pairs(own) do
      engine:delete('DELETE FROM "prosody" WHERE "host" = ? AND "store" = ?', each[1], each[2])
      engine:delete('DELETE FROM "prosodyarchive" WHERE "host" = ? AND "store" = ?', each[1], each[2])
    end
  end)
  if not ok then fail("the database can't be emptied: %s", tostring(reason)) end
end

local function import()
  local written = 0
  each_engine(function(engine)
    hurry(engine)
    if engine.params.driver == "SQLite3" then delete_own_rows(engine) end
  end)
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

local function is_mixed(names)
  for store in pairs(names) do
    if store ~= "" then return true end
  end
end

-- Storages that keep nothing for a move to bring along.
local passing = { none = true, memory = true }

if mode == "places" then
  io.write("base ", data, "\n")
  for _, host in ipairs(configured()) do
    local names = drivers_of(host)
    io.write(uses(host, "sql") and line_of(sql_of(host)) or "internal", is_mixed(names) and canonical(names) or "", "\n")
    for store, name in pairs(names) do
      if name ~= "internal" and name ~= "sql" and not passing[name] then
        io.write("other ", name, " of ", store == "" and "all stores" or store, " on ", host, "\n")
      end
    end
  end
elseif mode == "empty" then
  local empty = true
  -- Prosody's notes of when it ran which task are nobody's.
  each_stored(function(_, store) empty = empty and store == "cron" end)
  if empty then io.write "empty\n" end
elseif mode == "probe" then
  each_engine(function(engine)
    local count = rows(engine, 'SELECT (SELECT COUNT(*) FROM "prosody") + (SELECT COUNT(*) FROM "prosodyarchive")')[1][1]
    if tonumber(count) + other_tables(engine) > 0 then io.write("holds ", count, " ", line_of(engine.params), "\n") end
  end)
elseif mode == "clear" then
  each_engine(function(engine)
    if engine.params.driver == "SQLite3" then return end
    delete_own_rows(engine)
    io.write(line_of(engine.params), "\n")
  end)
else
  if mode == "import" then import() end
  local lines = read_all()
  if mode == "export" then export() end
  io.write(lines) -- all is done
end
-- SQLite puts what is in a log into its database when that is closed.
for _, engine in pairs(engines) do
  if engine and engine.conn then engine.conn:close() end
end
os.exit(0)
