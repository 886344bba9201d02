-- What the programs of the configuration share, in the running server as well as in `inspect.lua`.
-- Sets the globals `list`, `json` and `options_of`.

local is_list = {}

-- A table that becomes a JSON array even when it is empty.
function list(items)
  return setmetatable(items or {}, is_list)
end

-- JSON in printable ASCII: each other byte is one \u00XX.
function json(value)
  if type(value) == "table" then
    local parts = {}
    if getmetatable(value) == is_list then
      for i, item in ipairs(value) do parts[i] = json(item) end
      return "[" .. table.concat(parts, ",") .. "]"
    end
    for key, item in pairs(value) do parts[#parts + 1] = json(tostring(key)) .. ":" .. json(item) end
    return "{" .. table.concat(parts, ",") .. "}"
  elseif type(value) == "string" then
    return '"' .. value:gsub('[%c"\\\127-\255]', function(byte) return ("\\u00%02x"):format(byte:byte()) end) .. '"'
  end
  return tostring(value)
end

local function canonical(value, depth)
  local kind = type(value)
  if kind == "table" then
    if depth > 20 then return "deep" end
    -- `a = b` with a table b makes a an accessor of the option b.
    if rawget(value, "config_table") and rawget(value, "option_name") then return canonical(value:value(), depth + 1) end
    local parts = {}
    for key, item in pairs(value) do parts[#parts + 1] = canonical(key, depth + 1) .. "=" .. canonical(item, depth + 1) end
    table.sort(parts)
    return "{" .. table.concat(parts, ",") .. "}"
  elseif kind == "function" then
    return "f" .. string.dump(value, true)
  end
  local text = tostring(value)
  return kind:sub(1, 1) .. #text .. ":" .. text
end

-- Prosody writes into the tables of some options when it reads them. What it adds is added here, too, so that a
-- configuration says the same before it was read and after.
local written = {}

-- net.unbound: defaults, its own before those of the library.
function written.unbound(value)
  local has_library, library = pcall(require, "lunbound")
  local filled = { hoststxt = false }
  for option, default in pairs(has_library and library.config or {}) do
    if filled[option] == nil then filled[option] = default end
  end
  for option, chosen in pairs(value) do filled[option] = chosen end
  return filled
end

-- mod_authz_internal: an inherited role in the place of its name, and permissions that are allowed or denied in lists.
function written.custom_roles(roles)
  local filled = {}
  for i, role in pairs(roles) do
    local copy, inherits, permissions = {}, {}, {}
    for key, part in pairs(type(role) == "table" and role or {}) do copy[key] = part end
    for n, inherited in ipairs(copy.inherits or {}) do
      inherits[n] = type(inherited) == "table" and inherited.name or inherited
    end
    for permission, allowed in pairs(copy.permissions or {}) do permissions[permission] = allowed end
    for _, permission in ipairs(copy.allow or {}) do permissions[permission] = true end
    for _, permission in ipairs(copy.deny or {}) do permissions[permission] = false end
    copy.inherits, copy.permissions = inherits, permissions
    filled[i] = copy
  end
  return filled
end

local function as_read(name, value)
  if not written[name] or type(value) ~= "table" then return value end
  local ok, filled = pcall(written[name], value)
  return ok and filled or value
end

-- Loaded configuration → { host = { option = digest } }: what differs is known without any value, some of which
-- are secret, leaving its process. "?" stands for a value that only the service is given (systemd's credentials).
function options_of(configuration)
  local hashes, errors = require "util.hashes", require "util.error"
  local hosts = {}
  for host, options in pairs(configuration) do
    hosts[host] = {}
    for name, value in pairs(options) do
      hosts[host][name] = errors.is_error(value) and "?" or hashes.sha256(canonical(as_read(name, value), 0), true):sub(1, 16)
    end
  end
  return hosts
end

-- A text with the paths of files beside the configuration `file`: until a candidate is live, they are where it is.
local function beside(file, text)
  return (text:gsub("/etc/prosody/", (file:match "^.*/")))
end
