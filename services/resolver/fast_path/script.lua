-- The one call to Redis of a batch of visits: read the records, and add the clicks of those that are plain redirects.
-- KEYS: the stream, then the records' keys. ARGV: for each record the event of its click without the link's id, which is
-- read from the record. Returns the entry that holds the clicks ('': there are none; 0: Redis is full), their number, and
-- the records.
local records = redis.call('MGET', unpack(KEYS, 2))
local events = {}
for i, record in ipairs(records) do
  local link_id = record and record:match('@LUA_PLAIN_LINK_ID@')
  if link_id then events[#events + 1] = '@EVENT_HEAD@' .. link_id .. ARGV[i] end
end
if #events == 0 then return {'', 0, records} end
local entry = @LUA_ADD@
if type(entry) == 'table' and entry.err then
  if not entry.err:match('^OOM') then return {err = entry.err} end
  entry = 0
end
return {entry, #events, records}
