-- What goes over standard input and output of the programs.

-- The next field of the input: its length in bytes on a line, then the bytes.
local function field()
  local length = io.read("*l")
  if length == "0" then return "" end -- at the end of the input, io.read(0) is nil
  return length and io.read(tonumber(length))
end

-- A string of JSON with one \u00XX for each byte outside of printable ASCII, whatever the encoding.
local function json_bytes(text)
  return '"' .. text:gsub('[%c"\\\128-\255]', function(byte) return ("\\u00%02x"):format(byte:byte()) end) .. '"'
end

-- A Lua literal in printable ASCII, which needs no care in XML.
local function literal(text)
  return '"' .. text:gsub('[%c"\\\128-\255]', function(byte) return ("\\%03d"):format(byte:byte()) end) .. '"'
end
