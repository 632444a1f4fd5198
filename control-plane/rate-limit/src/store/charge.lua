-- Carries out one batch of charges: what charge.rs says, for counters in Redis. Redis runs a script as one step.
--
-- KEYS: the distinct counters, then one for each remembered request that a charge names.
-- ARGV: now, all_or_nothing (1 or 0), how long to remember requests; then for each charge, ten of:
--   kind (a, s, r), hits, limit, enforced (1 or 0), algorithm (f, s, b), start, end, counter, once, counterpart
--   (the last three are places in KEYS, 0 for none), and then the labels of the counters.
-- Answers with seven numbers for each charge: before, after, start, end, over, repeated, dropped.
--
-- The time is the caller's: windows follow calendars, which Redis does not know.
-- A counter is a hash: s, e, n, p for start and end of the window, hits in it and in the one before; for a bucket t, v, z, e
-- for when its level was right, the level, when it was last empty, and the time until it is empty. a is the algorithm, m the limit, l the label.
local now, all_or_nothing, remembered = tonumber(ARGV[1]), ARGV[2] == '1', tonumber(ARGV[3])
local charges = {}
local labels = 4
for index = 1, tonumber(ARGV[4]) do
  local from = labels
  charges[index] = {
    kind = ARGV[from + 1], hits = tonumber(ARGV[from + 2]), limit = tonumber(ARGV[from + 3]),
    enforced = ARGV[from + 4] == '1', algorithm = ARGV[from + 5],
    start = tonumber(ARGV[from + 6]), stop = tonumber(ARGV[from + 7]),
    cell = tonumber(ARGV[from + 8]), once = tonumber(ARGV[from + 9]), counterpart = tonumber(ARGV[from + 10]),
  }
  labels = from + 10
end

local function text(number)
  return string.format('%.17g', number)
end

local function fresh(charge)
  if charge.algorithm == 'b' then
    return { t = now, v = 0, z = now, length = charge.stop - charge.start }
  end
  return { s = charge.start, e = charge.stop, n = 0, p = 0 }
end

local function load(charge)
  local have = redis.call('HMGET', KEYS[charge.cell], 's', 'e', 'n', 'p', 't', 'v', 'z')
  if charge.algorithm == 'b' then
    if have[5] then
      return {
        t = tonumber(have[5]), v = tonumber(have[6]), z = tonumber(have[7]) or 0, length = charge.stop - charge.start,
      }
    end
  elseif have[1] then
    return { s = tonumber(have[1]), e = tonumber(have[2]), n = tonumber(have[3]), p = tonumber(have[4]) }
  end
  return fresh(charge)
end

-- By how much the clocks of servers may differ.
local most = now + 3600000

local function advance(cell, charge)
  if cell.t then
    cell.length = math.max(charge.stop - charge.start, 1)
    if cell.t > most then
      cell.t = now
    elseif now > cell.t then
      local drained = (now - cell.t) * charge.limit / cell.length
      if drained >= cell.v then cell.z = now end
      cell.v = math.max(cell.v - drained, 0)
      cell.t = now
    end
  elseif cell.s > most then
    cell.p, cell.s, cell.e = 0, charge.start, charge.stop
  elseif charge.start > cell.s then
    cell.p = charge.start == cell.e and cell.n or 0
    cell.n, cell.s, cell.e = 0, charge.start, charge.stop
  end
end

local function spent(cell, algorithm)
  if cell.t then
    return math.ceil(math.max(cell.v - 1e-6, 0))
  end
  if algorithm ~= 's' then
    return cell.n
  end
  local length = math.max(cell.e - cell.s, 1)
  local left = math.min(math.max(cell.e - now, 0), length)
  return cell.n + math.ceil(cell.p * left / length)
end

local function add(cell, hits)
  if cell.t then cell.v = cell.v + hits else cell.n = cell.n + hits end
end

local function take(cell, hits)
  if cell.t then cell.v = math.max(cell.v - hits, 0) else cell.n = math.max(cell.n - hits, 0) end
end

-- What is remembered of a request: start of the window, hits, whether it was over.
local function remembered_of(place)
  if place == 0 then return nil end
  local value = redis.call('GET', KEYS[place])
  if not value then return nil end
  local start, hits, over = string.match(value, '^(%-?%d+) (%d+) ([01])$')
  if not start then return nil end
  return { start = tonumber(start), hits = tonumber(hits), over = over == '1' }
end

local function one(charge, cells, records, refused)
  local cell = cells[charge.cell]
  local before = spent(cell, charge.algorithm)
  local window_start = cell.s or cell.t
  local reading = { before, before, window_start, cell.e or (cell.t + cell.length), 0, 0, 0 }
  local known = charge.once ~= 0 and (records[charge.once] or remembered_of(charge.once)) or nil
  if known then
    reading[5], reading[6] = known.over and 1 or 0, 1
    return reading
  end
  local start = cell.s or cell.z
  local hits, kept = charge.hits, true
  local counterpart = remembered_of(charge.counterpart)
  if charge.kind == 'a' then
    -- A refund that came first.
    hits = math.max(hits - (counterpart and counterpart.hits or 0), 0)
    local over
    if hits == 0 then over = before >= charge.limit else over = before + hits > charge.limit end
    local charged = not refused and (not over or not charge.enforced or charge.algorithm == 'f')
    kept = not refused
    if not charged then hits = 0 end
    add(cell, hits)
    reading[5] = over and 1 or 0
  elseif charge.kind == 's' then
    add(cell, hits)
  else
    if charge.counterpart ~= 0 then
      local reserved = counterpart
      if reserved and reserved.start ~= start then reserved = nil end
      reading[7] = reserved and 0 or 1
      hits = math.min(hits, reserved and reserved.hits or 0)
    end
    take(cell, hits)
    hits = charge.hits - hits
  end
  reading[2] = spent(cell, charge.algorithm)
  if kept and charge.hits > 0 and charge.once ~= 0 then
    records[charge.once] = { start = start, hits = hits, over = reading[5] == 1 }
  end
  return reading
end

local cells = {}
for _, charge in ipairs(charges) do
  cells[charge.cell] = cells[charge.cell] or load(charge)
  advance(cells[charge.cell], charge)
end

local refused = false
if all_or_nothing then
  local trial, records = {}, {}
  for place, cell in pairs(cells) do
    trial[place] = { s = cell.s, e = cell.e, n = cell.n, p = cell.p, t = cell.t, v = cell.v, z = cell.z, length = cell.length }
  end
  for _, charge in ipairs(charges) do
    local reading = one(charge, trial, records, false)
    if charge.enforced and reading[5] == 1 then refused = true end
  end
end

local answer, records = {}, {}
for _, charge in ipairs(charges) do
  for _, value in ipairs(one(charge, cells, records, refused)) do
    answer[#answer + 1] = string.format('%.0f', value)
  end
end

for _, charge in ipairs(charges) do
  local cell, key = cells[charge.cell], KEYS[charge.cell]
  local ttl
  if cell.t then
    redis.call('HSET', key, 't', text(cell.t), 'v', text(cell.v), 'z', text(cell.z), 'e', text(cell.t + cell.length))
    ttl = cell.length * math.max(math.ceil(cell.v / math.max(charge.limit, 1)), 1)
  else
    redis.call('HSET', key, 's', text(cell.s), 'e', text(cell.e), 'n', text(cell.n), 'p', text(cell.p))
    ttl = cell.e - now
    if charge.algorithm == 's' then ttl = ttl + cell.e - cell.s end
  end
  redis.call('HSET', key, 'a', charge.algorithm, 'm', text(charge.limit), 'l', ARGV[labels + charge.cell])
  -- A minute more than needed, for callers whose clocks differ. No limit lasts longer than Redis can count.
  redis.call('PEXPIRE', key, string.format('%.0f', math.min(math.max(ttl, 0) + 60000, 1e14)))
end
for place, record in pairs(records) do
  local value = string.format('%.0f %.0f %d', record.start, record.hits, record.over and 1 or 0)
  redis.call('SET', KEYS[place], value, 'PX', remembered)
end
return answer
