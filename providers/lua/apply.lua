-- Carries out the steps of an activation inside of the running server, after common.lua and remember.lua.
--
-- Sets the globals `apply`, list of steps → nothing, and `report`, → JSON: what failed, and what Prosody logged
-- as errors meanwhile.

local config = require "core.configmanager"
local hostmanager = require "core.hostmanager"
local logger = require "util.logger"
local modulemanager = require "core.modulemanager"
local portmanager = require "core.portmanager"

local failures, logged = list {}, list {}
local listening = true
local function attach()
  logger.add_simple_sink(function(source, _, message)
    if listening and #logged < 50 then logged[#logged + 1] = source .. ": " .. message end
  end, { "error" })
end

local steps = {}
function steps.reload()
  local ok, reason = prosody.reload_config()
  see()
  return ok, reason
end
function steps.activate(host) return hostmanager.activate(host) end
function steps.deactivate(host) return hostmanager.deactivate(host, "This server does not serve " .. host .. " any more") end
function steps.load(host, name)
  local ok, reason = modulemanager.load(host, name)
  return ok or reason == "module-already-loaded" or reason == "global-module-already-loaded", reason
end
function steps.unload(host, name)
  local ok, reason = modulemanager.unload(host, name)
  return ok or reason == "module-not-loaded", reason
end
function steps.reloadModule(host, name)
  local ok, reason = modulemanager.reload(host, name)
  return ok or reason == "module-not-loaded", reason
end
function steps.authenticate(host)
  -- Why it fails again, Prosody logs; that it did is seen afterwards.
  modulemanager.load(host, "auth_" .. (config.get(host, "authentication") or "internal_hashed"))
  return true
end
function steps.close(service)
  portmanager.deactivate(service)
  return true
end
function steps.listen(service) return portmanager.activate(service) end
function steps.disconnect(host)
  local component = modulemanager.get_module(host, "component")
  if component and component.session then
    component.session:close { condition = "not-authorized", text = "The secret of this component was changed" }
  end
  return true
end
function steps.settle()
  if #failures == 0 then state.seen = { config.getconfig() } end
  return true
end

local events = prosody.events
function apply(wanted)
  see()
  attach()
  -- A reload of the configuration sets up logging from scratch.
  events.add_handler("logging-reloaded", attach)
  for _, step in ipairs(wanted) do
    local called, ok, reason = pcall(steps[step[1]], step[2], step[3])
    if not called or not ok then
      failures[#failures + 1] = table.concat(step, " ") .. ": " .. tostring(not called and ok or reason)
    end
  end
  events.remove_handler("logging-reloaded", attach)
end

function report()
  listening = false
  return json { failures = failures, logged = logged }
end
