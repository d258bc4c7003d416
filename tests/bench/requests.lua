-- What wrk sends: a request for each line of the file args[1], over and over; headers come from wrk's own -H.
-- A line is a path, or `path TAB body`, which is then posted. With args[2] = "direct" each request carries what nginx
-- adds on the way to a resolver. Whole requests are made before the clock runs, so that sending one costs nothing.

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
        '\nresult {"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
