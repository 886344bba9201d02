-- What the running server runs, as JSON; runs inside of it, after common.lua.

local config = require "core.configmanager"
local modulemanager = require "core.modulemanager"
local portmanager = require "core.portmanager"

-- Each configuration that something in this process may have been set up with: the loaded one, and those that an
-- activation had before it came to its end (see remember.lua).
local seen = { config.getconfig() }
local state = package.loaded["prosody-pulumi"]
for _, earlier in ipairs(state and state.seen or {}) do
  if earlier ~= seen[1] then seen[#seen + 1] = earlier end
end

local digests, options = {}, {}
for i, configuration in ipairs(seen) do digests[i] = options_of(configuration) end
for _, one in ipairs(digests) do
  for host, names in pairs(one) do
    options[host] = options[host] or {}
    for name in pairs(names) do
      local values, known = list {}, {}
      for _, other in ipairs(digests) do
        local digest = other[host] and other[host][name] or ""
        if not known[digest] then values[#values + 1] = digest end
        known[digest] = true
      end
      options[host][name] = values
    end
  end
end

local function modules_of(modules)
  local found = {}
  for name, mod in pairs(modules or {}) do
    local api = mod.module
    local needs = list {}
    for needed in pairs(rawget(api, "dependencies") or {}) do needs[#needs + 1] = needed end
    local failed = rawget(api, "status_type") == "error" or rawget(api, "status_message") == "Error during load (see log)"
    found[name] = { needs = needs, failed = failed and rawget(api, "status_message") or nil }
  end
  return found
end

local hosts = { ["*"] = { type = "global", modules = modules_of(modulemanager.get_modules "*"), enabled = list {} } }
for name, host in pairs(prosody.hosts) do
  local enabled = list {}
  for _, configuration in ipairs(seen) do
    for _, section in ipairs { "*", name } do
      local wanted = rawget(configuration, section) and rawget(configuration[section], "modules_enabled")
      for _, module in ipairs(type(wanted) == "table" and wanted or {}) do enabled[#enabled + 1] = module end
    end
  end
  local users = host.type == "local" and rawget(host, "users")
  hosts[name] = { type = host.type, modules = modules_of(host.modules), enabled = enabled, users = users and users.name or nil }
end

-- As core.portmanager decides it. A host may have no IPv6: nobody asked for the default interfaces by name.
local function get(name) return config.get("*", name) end
local function listed(value) return type(value) == "table" and value or { value } end
local services = {}
for name, infos in pairs(portmanager.get_registered_services()) do
  local info = infos[1]
  if info then
    local prefix = (info.config_prefix or name) .. "_"
    if prefix == "_" then prefix = "" end
    local chosen = get(prefix .. "interfaces") or get(prefix .. "interface") or (info.private and get "local_interfaces")
      or (not info.private and (get "interfaces" or get "interface" or info.listener.default_interface))
    local interfaces = chosen
    if not chosen then
      interfaces = {}
      if get "use_ipv4" ~= false then interfaces[1] = info.private and "127.0.0.1" or "*" end
      if get "use_ipv6" ~= false then interfaces[#interfaces + 1] = info.private and "::1" or "::" end
    end
    local wanted, active = list {}, list {}
    for _, interface in ipairs(listed(interfaces)) do
      for _, port in ipairs(listed(get(prefix .. "ports") or info.default_ports or info.default_port or info.listener.default_port)) do
        wanted[#wanted + 1] = { interface = interface, port = tonumber(port) or 0, optional = not chosen and interface:find(":", 1, true) ~= nil }
      end
    end
    for _, interface, port in portmanager.get_active_services():iter(name, nil, nil) do
      active[#active + 1] = { interface = interface, port = port }
    end
    services[name] = { wanted = wanted, active = active }
  end
end

return json { version = prosody.version, pid = require "util.pposix".getpid(), options = options, hosts = hosts, services = services }
