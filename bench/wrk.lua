-- wrk.lua - one line of JSON at the end of a wrk run; BENCH_PATHS: request these paths in turn;
-- BENCH_UPLOAD: send a body of so many bytes.
-- SPDX-License-Identifier: MIT

local paths, upload = os.getenv("BENCH_PATHS"), os.getenv("BENCH_UPLOAD")

if upload then
	wrk.method, wrk.body = "POST", string.rep("x", tonumber(upload))
end

if paths then
	local requests, turn = {}, 0

	function init()
		for path in paths:gmatch("%S+") do
			requests[#requests + 1] = wrk.format(nil, path)
		end
	end

	function request()
		turn = turn % #requests + 1
		return requests[turn]
	end
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'\n{"requests": %d, "seconds": %.6f, "bytes": %d, "errors": %d, "p50_us": %d, "p99_us": %d}\n',
		summary.requests, summary.duration / 1e6, summary.bytes,
		e.connect + e.read + e.write + e.status + e.timeout,
		latency:percentile(50), latency:percentile(99)))
end
