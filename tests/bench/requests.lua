-- The script of wrk: it sends a request for each line of the file args[1], again and again, with the headers of -H.
-- A line is a path for a GET, or `path TAB body` for a POST. With args[2] = "direct" each request has the headers that
-- nginx adds for a resolver. All requests are formatted before the measurement, so that sending one costs little.

local requests, count, place = {}, 0, 0

function init(args)
    for line in io.lines(args[1]) do
        local path, body = line:match("^([^\t]*)\t(.*)$")
        count = count + 1
        if args[2] == "direct" then
            wrk.headers["X-Real-IP"] = "203.0.113.7"
            wrk.headers["X-Request-ID"] = string.format("%032x", count)
            wrk.headers["X-Request-Start"] = string.format("%d.000", os.time())
        end
        requests[count] = wrk.format(body and "POST" or "GET", path or line, nil, body)
    end
end

function request()
    place = place % count + 1
    return requests[place]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\nresult {"requests": %d, "seconds": %.6f, "error_responses": %d, "failures": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
