-- Archives of all that a user has on a host, in the format of Prosody's internal storage.

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

-- What the internal storage has of a user: paths below the data directory.
local function user_files(user, host, data)
  local lfs, encode = require "lfs", require "util.datamanager".path_encode
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
  local drivers, names = {}, {}
  local function add(store)
    local driver, name = storagemanager.get_driver(host, store)
    drivers[name] = driver
  end
  add()
  local storage = require "core.configmanager".get(host, "storage")
  if type(storage) == "table" then for store in pairs(storage) do add(store) end end
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
    local data = storagemanager.open(host, store):get(user)
    if data then internal.store(user, host, store, data) end
    local archive = storagemanager.open(host, store, "archive")
    for key, item, when, with in (archive.find and archive:find(user) or function() end) do
      item = st.preserialize(st.clone(item))
      item.key, item.when, item.with, item.attr.stamp = key, when, with, stamp(when)
      internal.list_append(user, host, store, item)
    end
  end
  internal.set_data_path(prosody.paths.data)
end

local made = {}

-- Writes a tar archive that only root can read. Raises an error when it can't be written completely.
local function archive_user(user, host, file)
  local data, scratch = prosody.paths.data, nil
  local tar = { "umask 077; exec tar -czf", quote(file) }
  local function add(directory)
    local files = user_files(user, host, directory)
    if #files > 0 then tar[#tar + 1] = "-C " .. quote(directory) end
    for _, name in ipairs(files) do tar[#tar + 1] = quote(name) end
  end
  add(data)
  local stores = other_stores(user, host)
  if #stores > 0 then
    scratch = io.popen("mktemp -d"):read("*l")
    export_stores(user, host, stores, scratch)
    os.execute("chown -R --reference=" .. quote(data) .. " -- " .. quote(scratch))
    add(scratch)
  end
  if #tar > 2 then
    local directory = file:match "^(.*)/"
    made[directory] = made[directory] or os.execute("umask 077; mkdir -p -- " .. quote(directory))
    local _, _, code = os.execute(table.concat(tar, " "))
    if code == 1 then code = 0 end -- a file was written to meanwhile
    if code ~= 0 then
      os.remove(file)
      file = nil
    end
  end
  if scratch then os.execute("rm -r -- " .. quote(scratch)) end
  if not file then error("no archive could be written, so nothing was deleted", 0) end
end
