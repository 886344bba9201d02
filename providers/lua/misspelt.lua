-- Which options no code reads: Prosody takes a misspelt one without a word.
-- Runs after common.lua and prosody.lua.

-- Adds the names of the options that a source reads, each a literal, to `options`.
local function options_in(text, options)
  for option in text:gmatch "get_option[%w_]*%s*%(?%s*[\"']([%w_]+)[\"']" do options[#options + 1] = option end
  for option in text:gmatch "config%.r?a?w?get%s*%([^,()]+,%s*[\"']([%w_]+)[\"']" do options[#options + 1] = option end
end

local function sources_below(directory, found, depth)
  local lfs = require "lfs"
  if lfs.attributes(directory, "mode") ~= "directory" then return found end
  for entry in lfs.dir(directory) do
    local path = directory .. "/" .. entry
    if entry:match "%.lua$" then
      found[#found + 1] = path
    elseif not entry:match "^%." and depth < 3 and lfs.attributes(path, "mode") == "directory" then
      sources_below(path, found, depth + 1)
    end
  end
  return found
end

-- Options of a configuration that are no word of any source on the host, those of modules that are not loaded included;
-- and all names that some source reads, which one of them may have been meant to be. Names that core.portmanager makes up
-- are in no source.
local function unread(configuration, reads)
  local open = {}
  for _, options in pairs(configuration) do
    for name in pairs(options) do
      if not name:match "_ports?$" and not name:match "_interfaces?$" and not name:match "_ssl$" then open[name] = true end
    end
  end
  local known = list {}
  for _, options in pairs(reads) do
    for _, name in ipairs(options) do
      open[name] = nil
      known[#known + 1] = name
    end
  end
  local function search(directories)
    for _, directory in ipairs(directories) do
      for _, path in ipairs(sources_below(directory, {}, 0)) do
        local source = next(open) and io.open(path)
        if source then
          local text = source:read "*a" or ""
          source:close()
          options_in(text, known)
          for word in text:gmatch "[%w_]+" do open[word] = nil end
        end
      end
    end
  end
  local core = {}
  for _, name in ipairs { "core", "util", "net", "prosody" } do core[#core + 1] = CFG_SOURCEDIR .. "/" .. name end
  search(core)
  local plugins = {}
  for directory in tostring(prosody.paths.plugins):gmatch "[^;]+" do plugins[#plugins + 1] = directory end
  search(plugins)
  local unknown = list {}
  for name in pairs(open) do unknown[#unknown + 1] = name end
  return { unknown = unknown, known = #unknown > 0 and known or list {} }
end
