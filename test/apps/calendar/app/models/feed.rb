# Passes messages to the event streams of this process.
module Feed
  HEARTBEAT = 15

  @lock = Monitor.new
  @news = @lock.new_cond
  @messages = []
  @first = 0

  class << self
    def publish(message)
      @lock.synchronize do
        @messages << message
        @first += @messages.shift(@messages.size - 100).size if @messages.size > 100
        @news.broadcast
      end
    end

    # Yields each message from now on, and nil when there was none for a while.  Never returns.
    def each
      position = @lock.synchronize { @first + @messages.size }
      loop do
        fresh = @lock.synchronize do
          @news.wait(HEARTBEAT) if position == @first + @messages.size
          taken = @messages.drop([position - @first, 0].max)
          position = @first + @messages.size
          taken
        end
        fresh.empty? ? yield(nil) : fresh.each { |message| yield message }
      end
    end
  end
end
