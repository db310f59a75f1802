-- wrk asks for every request of a file in turn: `wrk -s rotating.lua ... -- FILE`; requests are parted by a line with a single dot.
local requests, at = {}, 0

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  local text = file:read("*a")
  file:close()
  for one in text:gmatch("(.-)\n%.\n") do
    requests[#requests + 1] = one
  end
  -- Threads would all begin with the same request; one thread is used.
  assert(#requests > 0, "no requests in the file")
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  io.write(string.format('{"requests": %d, "seconds": %.6f, "bytes": %d, "p50": %.3f, "p99": %.3f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout))
end
