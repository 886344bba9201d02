-- Tar archives as GNU tar writes them, https://www.gnu.org/software/tar/manual/html_node/Standard.html: many small ones
-- in one process, since to start tar takes longer than what it is started for.

local lfs = require "lfs"

local function padded(text, size) return text .. ("\0"):rep(size - #text) end

-- Octal digits or, where they don't suffice, base 256 behind a set bit.
local function number(value, size)
  local digits = ("%0" .. size - 1 .. "o"):format(value)
  if #digits < size then return digits .. "\0" end
  digits = ""
  for _ = 2, size do
    digits = string.char(value % 256) .. digits
    value = math.floor(value / 256)
  end
  return "\128" .. digits
end

local function header(name, kind, size, mode, owner, time)
  local fields = {
    padded(name:sub(1, 100), 100), number(mode, 8), number(owner.uid, 8), number(owner.gid, 8),
    number(size, 12), number(time, 12), (" "):rep(8), kind, padded("", 100), "ustar  \0",
    padded(owner.user, 32), padded(owner.group, 32), padded("", 183),
  }
  local sum = 0
  for _, text in ipairs(fields) do
    for position = 1, #text do sum = sum + text:byte(position) end
  end
  fields[7] = ("%06o\0 "):format(sum)
  return table.concat(fields)
end

local function mode_of(permissions)
  local mode = 0
  for flag in permissions:gmatch "." do mode = mode * 2 + (flag == "-" and 0 or 1) end
  return mode
end

local known = {}

local function name_of(database, id)
  local key = database .. " " .. id
  if not known[key] then
    local line = io.popen("getent " .. key):read("*l")
    known[key] = line and line:match "^[^:]+" or ""
  end
  return known[key]
end

-- The owner of a file, with the names by which another host would know them.
local function owner_of(path)
  local found = lfs.attributes(path)
  return {
    uid = found.uid, gid = found.gid, user = name_of("passwd", found.uid), group = name_of("group", found.gid),
  }
end

-- Adds a file ({ path =, name = in the archive, owner = path of a file that has its owner }) to an open archive, unless
-- it is gone. What is written to meanwhile has the size that it had.
-- Raises an error when it can't be read or written.
local function add_file(archive, file)
  local input, reason = io.open(file.path, "rb")
  local found = lfs.attributes(file.path)
  if not found then return end
  if not input then error(reason, 0) end
  -- Prosody replaces files: what has the name by now may have another size than what is open.
  local length = assert(input:seek "end")
  assert(input:seek "set")
  local function write(text) assert(archive:write(text)) end
  if #file.name > 100 then
    local name = file.name .. "\0"
    write(header("././@LongLink", "L", #name, 0, owner_of "/", 0))
    write(padded(name, #name + -#name % 512))
  end
  write(header(file.name, "0", length, mode_of(found.permissions), owner_of(file.owner), found.modification))
  local left = length
  while left > 0 do
    local size = math.min(left, 65536)
    local text, why = input:read(size)
    if why then error(why, 0) end
    write(padded(text or "", size))
    left = left - size
  end
  input:close()
  write(("\0"):rep(-length % 512))
end

local function end_archive(archive)
  assert(archive:write(("\0"):rep(1024)))
  assert(archive:close())
end
