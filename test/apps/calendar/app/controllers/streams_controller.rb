class StreamsController < ApplicationController
  include ActionController::Live

  def show
    response.headers["Content-Type"] = "text/event-stream"
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Last-Modified"] = Time.now.httpdate # keeps Rack::ETag from collecting the stream
    response.stream.write("event: hello\ndata: {}\n\n")
    Feed.each do |message|
      response.stream.write(message ? "event: change\ndata: #{message.to_json}\n\n" : ": still here\n\n")
    end
  rescue ActionController::Live::ClientDisconnected, IOError
    # the page was closed
  ensure
    response.stream.close
  end
end
