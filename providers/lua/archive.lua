-- Archives of all that a user has on a host.

local function quote(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

-- Paths below the data directory of what the internal storage has of a user.
local function user_files(user, host)
  local lfs, datamanager = require "lfs", require "util.datamanager"
  local encode, data = datamanager.path_encode, prosody.paths.data
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

local made = {}

-- Writes a tar archive that only root can read. Raises an error when it can't be written completely.
local function archive_user(user, host, file)
  local files = user_files(user, host)
  if #files == 0 then return end
  local directory = file:match "^(.*)/"
  if not made[directory] then
    made[directory] = os.execute("umask 077; mkdir -p -- " .. quote(directory))
  end
  local tar = io.popen(("umask 077; exec tar -C %s --null -czf %s -T - >&2"):format(
    quote(prosody.paths.data), quote(file)), "w")
  tar:write(table.concat(files, "\0"), "\0")
  local _, _, code = tar:close()
  -- 1: a file was written to meanwhile
  if code > 1 then
    os.remove(file)
    error("no archive could be written to " .. file .. ", so nothing was deleted", 0)
  end
end
