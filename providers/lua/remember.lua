-- Lets the running server remember the configuration that it was set up with, before its files are changed.
--
-- Until all steps of an activation succeeded, it remembers every configuration that it had loaded since the last one: an
-- activation that was cut off is made up for by the next, also when somebody else (logrotate, certbot) made the server
-- load the new files meanwhile. Sets the globals `state` and `see`.

local config = require "core.configmanager"

state = package.loaded["prosody-pulumi"] or { seen = {} }
package.loaded["prosody-pulumi"] = state

function see()
  local current = config.getconfig()
  for _, known in ipairs(state.seen) do
    if known == current then return end
  end
  state.seen[#state.seen + 1] = current
end
see()
