-- What a configuration file says, as Prosody itself reads it, and what is wrong with it on this host.
--
-- Runs as root and becomes the prosody user before it looks at anything, so that what it can't read, the server
-- can't read either.
--
-- Runs after common.lua, prosody.lua and misspelt.lua.
-- Input:  CONFIGURATION-FILE\n, "check", "load" or "look"\n, a command that says who listens where\n
-- Output: a line "@model " and JSON, unless the configuration can't be loaded: then the reason is all there is.
--         With "check", also a line "@host " and JSON: what `prosodyctl check config` said, who listens where.
--         With "look", the model has hosts, their modules and the options alone; the code of modules, which takes longer than
--         all else, is not looked at.

local file, mode, sockets = io.read("*l"), io.read("*l"), io.read("*l")
local check = mode == "check"

-- Begins a command as root, which goes on beside what follows.
local function begin(command) return io.popen(command .. " 2>&1") end

local prosodyctl = os.getenv "PROSODYCTL"
local checking = check and begin(("'%s' --config '%s' check config"):format(prosodyctl, file))
local listening = check and begin("{ " .. sockets .. "; }")
local main_pid = check and begin "systemctl show prosody --property MainPID --value"

-- Prosody's libraries, too, end the process when they can't read the configuration.
local exit = os.exit
function os.exit(...)
  if not check then exit(...) end
  local text = checking:read("*a")
  local _, _, code = checking:close()
  io.write("\n@host ", json {
    code = code or 0, text = text, listening = listening:read("*a"), pid = tonumber((main_pid:read("*a"))) or 0,
  }, "\n")
  exit(...)
end

find_libraries()

-- Prosody merges hosts of the same name, and reads an unknown name as nil, without a word.
local defined, undefined
local function forget() defined, undefined = {}, {} end
forget()
local envload = require "util.envload"
local load_in = envload.envload
function envload.envload(code, source, env)
  if env and rawget(env, "VirtualHost") and rawget(env, "Component") then
    local function here()
      local info = debug.getinfo(3, "Sl")
      return info.short_src .. ":" .. info.currentline
    end
    for _, name in ipairs { "VirtualHost", "Host", "host", "Component", "component" } do
      local define = rawget(env, name)
      rawset(env, name, function(host)
        local key = tostring(host):lower()
        defined[key] = defined[key] or list {}
        table.insert(defined[key], here())
        return define(host)
      end)
    end
    local mt = getmetatable(env)
    local index = mt.__index
    mt.__index = function(t, name)
      local value = index(t, name)
      if value == nil and not name:match "^ENV_" then undefined[name] = here() end
      return value
    end
  end
  return load_in(code, source, env)
end

arg = { [0] = prosodyctl, "--config", file }
local startup = require "util.startup"
startup.prosodyctl()

local configmanager = require "core.configmanager"
local modulemanager = require "core.modulemanager"
local pluginloader = require "util.pluginloader"
local certmanager = require "core.certmanager"
local lfs = require "lfs"

-- Once more, because prosodyctl replaces `log` in what it has loaded.
forget()
local ok, _, reason = configmanager.load(file)
if not ok then
  print(reason)
  os.exit(1)
end
local config = configmanager.getconfig()
local global = function(name) return configmanager.get("*", name) end

local problems, warnings = list {}, list {}
local function problem(...) problems[#problems + 1] = string.format(...) end

for host, places in pairs(defined) do
  if #places > 1 then problem("%s is defined more than once: %s", host, table.concat(places, ", ")) end
end
for name, place in pairs(undefined) do
  warnings[#warnings + 1] = ("%s: %s is not defined; is it a text that needs quotes?"):format(place, name)
end

-- Modules: what is enabled where, whether it exists, and which options it reads. A file may say which Prosody it is
-- for; the server passes over one that is not for this (core.modulemanager).
local has_features, features = pcall(require, "core.features")
local function is_available(feature) return has_features and features.available:contains(feature) end
local unfit
local loader = pluginloader.init {
  load_filter_cb = function(path, content)
    for key, values in content:gmatch "%-%-%% *(%a+): *([^\r\n]+)" do
      for feature in values:gmatch "[^, ]+" do
        if key == "requires" and not is_available(feature) then unfit = path .. " needs " .. feature end
        if key == "conflicts" and is_available(feature) then unfit = path .. " conflicts with " .. feature .. " of this Prosody" end
        if unfit then return end
      end
    end
    return path, content, {}
  end,
}

local sources, reads = {}, {}
local function source_of(name)
  if sources[name] == nil then
    unfit = nil
    local text, path = loader:load_resource(name)
    sources[name] = text and { text = text, path = path } or { missing = unfit or ("no mod_" .. name .. ".lua in the plugin paths") }
    local code, why = load(text or "", "@" .. tostring(path))
    if not code then problem("module %s has a syntax error: %s", name, why) end
  end
  return sources[name]
end

local function scan(name)
  if reads[name] then return end
  local source = source_of(name)
  local options = list {}
  reads[name] = options
  options_in(source.text, options)
  local directory = source.path:match "^(.*)/[^/]*$"
  local base = directory:match "([^/]*)$"
  if base == name or base == "mod_" .. name then
    for entry in lfs.dir(directory) do
      if entry:match "%.lib%.lua$" then
        local f = io.open(directory .. "/" .. entry)
        if f then options_in(f:read "*a", options) f:close() end
      end
    end
  end
  for indent, needed, soft in source.text:gmatch "\n([ \t]*)[%w_ ,=]*module:depends%s*%(?%s*[\"']([%w_]+)[\"']%s*(,?)" do
    local missing = source_of(needed).missing
    if not missing then
      scan(needed)
    elseif indent == "" and soft == "" then -- what comes under a condition may never be needed
      problem("module %s needs the module %s, which this host does not have: %s", name, needed, missing)
    end
  end
end

local function need(host, kind, prefix, name)
  if type(name) ~= "string" then return end
  local missing = source_of(prefix .. name).missing
  if missing then
    problem("%s: %s %s does not exist on this host: %s", host, kind, name, missing)
  else
    scan(prefix .. name)
  end
end

-- Prosody starts with a database that does not answer, too, and then every account fails.
local tried = {}
local function try_database(sql, dbi)
  if tried[sql] then return end
  tried[sql] = true
  local ok, handle, reason = pcall(dbi.Connect, sql.driver, beside(file, sql.database), sql.username, sql.password, sql.host, sql.port)
  if ok and handle then
    handle:close()
    return
  end
  local said = tostring(not ok and handle or reason):gsub("%s+", " ")
  problem("the database %s can't be used: %s", tostring(sql.database), said:sub(1, 300))
end

-- What is wrong with a host and its modules, and which options these read.
local function examine(host, component, names)
  for _, name in ipairs(names) do need(host, "module", "", name) end
  if not component then need(host, "authentication", "auth_", configmanager.get(host, "authentication") or "internal_hashed") end
  need(host, "authorization", "authz_", configmanager.get(host, "authorization") or "internal")
  local storage = configmanager.get(host, "storage")
  local drivers = type(storage) == "table" and storage or { storage }
  local uses_sql = false
  for _, driver in pairs(drivers) do
    need(host, "storage", "storage_", driver)
    uses_sql = uses_sql or driver == "sql"
  end
  need(host, "storage", "storage_", configmanager.get(host, "default_storage"))
  if uses_sql or configmanager.get(host, "default_storage") == "sql" then
    local driver = (configmanager.get(host, "sql") or {}).driver or "SQLite3"
    local has_dbi, dbi = pcall(require, "DBI")
    local available = has_dbi and table.concat(dbi.Drivers(), " ") or ""
    local builtin = driver == "SQLite3" and pcall(require, "util.sqlite3")
    if not available:find(driver, 1, true) and not builtin then
      problem("%s: storage sql with driver %s needs the Lua DBI driver for it (lua-dbi-%s); this host has: %s", host, driver,
        driver:lower():gsub("3$", "3"), available == "" and "none" or available)
    elseif check and driver ~= "SQLite3" then
      try_database(configmanager.get(host, "sql"), dbi)
    end
  end

  -- What mod_tls does at load; without any certificate it offers no TLS, which is no mistake of the files.
  local ssl = configmanager.rawget(host, "c2s_ssl") or configmanager.rawget(host, "ssl") or {}
  local made, context, why, used = pcall(certmanager.create_context, host, "server", ssl, global "c2s_ssl" or {})
  if not made then why, used = context, {} end
  if not made or (not context and used and used.certificate) then
    problem("%s: TLS can't be set up with %s: %s", host, used.certificate or "this configuration", why)
  elseif not (used and used.certificate) and not component then
    warnings[#warnings + 1] = ("%s has no certificate: clients can't connect with TLS"):format(host)
  end
end

local hosts = {}
for host in pairs(config) do
  if host ~= "*" and configmanager.get(host, "enabled") ~= false then
    local modules, component = modulemanager.get_modules_for_host(host)
    local names = list {}
    for name in modules do names[#names + 1] = name end
    if component and not modules:contains(component) then names[#names + 1] = component end
    table.sort(names)
    hosts[host] = { component = component or false, modules = names }
    if not component then
      hosts[host].authentication = configmanager.get(host, "authentication") or "internal_hashed"
      hosts[host].passwordHash = configmanager.get(host, "password_hash")
    end
    if mode ~= "look" then examine(host, component, names) end
  end
end

-- Ports, as core.portmanager opens them. `private` services listen on loopback unless told otherwise.
local services = {
  c2s = { { "c2s", 5222 }, { "c2s_direct_tls" }, { "legacy_ssl" } },
  s2s = { { "s2s", 5269 }, { "s2s_direct_tls" } },
  http = { { "http", 5280, private = true }, { "https", 5281 } },
  component = { { "component", 5347, private = true } },
  proxy65 = { { "proxy65", 5000 } },
  admin_telnet = { { "console", 5582, private = true } },
  net_multiplex = { { "multiplex", prefix = "" }, { "multiplex_ssl", prefix = "ssl_" } },
}
local ports = list {}
local function listed(value) return type(value) == "table" and value or { value } end
for module in pairs(reads) do
  for _, service in ipairs(services[module] or {}) do
    local name, default = service[1], service[2]
    local prefix = service.prefix or name .. "_"
    local everywhere, loopback = { "*", "::" }, { "127.0.0.1", "::1" }
    local interfaces = global(prefix .. "interfaces") or global(prefix .. "interface")
      or (service.private and (global "local_interfaces" or loopback)) or global "interfaces" or global "interface" or everywhere
    for _, interface in ipairs(listed(interfaces)) do
      for _, port in ipairs(listed(global(prefix .. "ports") or default or {})) do
        if tonumber(port) then
          ports[#ports + 1] = { service = name, interface = tostring(interface), port = tonumber(port) }
        else
          problem("%sports: %s is not a port", prefix, tostring(port))
        end
      end
    end
  end
end

-- Files that the log goes to, for a server that dies before it can be asked.
local logs = list {}
local function log_file(value)
  if type(value) == "string" and not value:match "^%*" then
    logs[#logs + 1] = configmanager.resolve_relative_path(prosody.paths.config, value)
  end
end
local log = global "log"
for key, value in pairs(type(log) == "table" and log or { log }) do
  log_file(type(value) == "table" and value.filename or value)
end

io.write("\n@model ", json {
  version = prosody.version, hosts = hosts, options = options_of(config), reads = reads, ports = ports, logs = logs,
  unread = check and unread(config, reads) or nil, data = prosody.paths.data, problems = problems, warnings = warnings,
}, "\n")
os.exit(0)
