-- Archives of all that a user has on a host, in the format of Prosody's internal storage. After `tar` and,
-- where another storage is to be read, accounts.lua.

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

-- As Prosody names files.
local function encode(text)
  return (text:gsub("[^A-Za-z0-9]", function(byte) return ("%%%02x"):format(byte:byte()) end))
end

-- What the internal storage has of a user: paths below the data directory.
local function user_files(user, host, data)
  local files, directory = {}, encode(host)
  if lfs.attributes(data .. "/" .. directory, "mode") ~= "directory" then return files end
  for store in lfs.dir(data .. "/" .. directory) do
    for _, extension in ipairs { "dat", "list", "lidx" } do
      local file = directory .. "/" .. store .. "/" .. encode(user) .. "." .. extension
      if store ~= ".." and lfs.attributes(data .. "/" .. file, "mode") == "file" then files[#files + 1] = file end
    end
  end
  return files
end

-- Names of the stores of a user that are not in the internal storage.
local function other_stores(user, host)
  local storagemanager = require "core.storagemanager"
  local drivers, names = storage_drivers(host), {}
  -- What Prosody falls back to keeps nothing: an archive of it would have nothing of what there is.
  if drivers.null then error("a storage of " .. host .. " can't be opened, or its module is in a directory that others than root can write to", 0) end
  drivers.internal = nil
  if not next(drivers) then return names end
  local candidates = { archive = true, offline = true } -- storages list no archives
  for _, driver in pairs(drivers) do
    for store in driver:stores(user) do candidates[store] = true end
  end
  for node in pairs(storagemanager.open(host, "pep"):get(user) or {}) do candidates["pep_" .. node] = true end
  for store in pairs(candidates) do
    local _, name = storagemanager.get_driver(host, store)
    if name ~= "internal" then names[#names + 1] = store end
  end
  return names
end

-- Writes those stores as the internal storage would, below another data directory.
local function export_stores(user, host, stores, directory)
  local storagemanager, st = require "core.storagemanager", require "util.stanza"
  local stamp = require "util.datetime".datetime
  local internal = storagemanager.olddm
  internal.set_data_path(directory)
  for _, store in ipairs(stores) do
    local data, reason = storagemanager.open(host, store):get(user)
    assert(not reason, reason)
    if data then assert(internal.store(user, host, store, data)) end
    local archive = storagemanager.open(host, store, "archive")
    for key, item, when, with in (archive.find and assert(archive:find(user)) or function() end) do
      item = st.preserialize(st.clone(item))
      item.key, item.when, item.with, item.attr.stamp = key, when, with, stamp(when)
      assert(internal.list_append(user, host, store, item))
    end
  end
  internal.set_data_path(prosody.paths.data)
end

local scratch

-- The files that the archive of a user is to have, each with one that has its owner.
local function gather(user, host, data)
  local found = {}
  for _, name in ipairs(user_files(user, host, data)) do
    local path = data .. "/" .. name
    found[#found + 1] = { name = name, path = path, owner = path }
  end
  local stores = startup and other_stores(user, host) or {}
  if #stores > 0 then
    scratch = scratch or io.popen("mktemp -d"):read("*l")
    export_stores(user, host, stores, scratch)
    for _, name in ipairs(user_files(user, host, scratch)) do
      found[#found + 1] = { name = name, path = scratch .. "/" .. name, owner = data }
    end
  end
  return found
end

-- Bytes from which on an archive is compressed while it is written, so that the disk need not have room for it twice.
local large = 1048576

-- The name of an archive that is to be compressed yet.
local function plain_name(file) return (file:gsub("%.gz$", "")) end

-- Writes the archive of a user, if there is anything of the user, and tells the name of what is to be compressed yet.
-- Raises an error when it can't be written completely.
local function write_archive(user, host, file, data)
  local files, size = gather(user, host, data), 0
  if #files == 0 then return nil end
  for _, each in ipairs(files) do size = size + (lfs.attributes(each.path, "size") or 0) end
  local plain = size < large and plain_name(file) or nil
  local archive = assert(plain and io.open(plain, "wb") or io.popen("exec gzip >" .. quote(file), "w"))
  for _, each in ipairs(files) do add_file(archive, each) end
  end_archive(archive)
  return plain
end

-- Writes the archives ({ user =, host =, file = }) of all who have anything below the data directory or, after
-- load_prosody() and accounts.lua, in another storage; only root can read them.
-- Returns those that could not be written completely, and why: { archive = reason }
local function write_archives(wanted, data)
  local pposix = require "util.pposix"
  local umask, wrong, plain = pposix.umask("077"), {}, {}
  for _, archive in ipairs(wanted) do
    local directory = archive.file:match "^(.*)/"
    if not lfs.attributes(directory) then os.execute("mkdir -p -- " .. quote(directory)) end
    local ok, result = pcall(write_archive, archive.user, archive.host, archive.file, data)
    if ok then plain[archive] = result else wrong[archive] = tostring(result):gsub("^%[string.-%]:%d+: ", "") end
  end
  if next(plain) then
    local gzip = io.popen("xargs -0 gzip --", "w")
    for _, file in pairs(plain) do gzip:write(file, "\0") end
    gzip:close()
  end
  for archive, file in pairs(plain) do
    if os.remove(file) then wrong[archive] = "gzip failed" end -- gzip removes what it is done with
  end
  if scratch then os.execute("rm -r -- " .. quote(scratch)) end
  for archive in pairs(wrong) do
    os.remove(archive.file)
    os.remove(plain_name(archive.file))
  end
  pposix.umask(umask)
  return wrong
end
