# Rails opens SQLite in WAL mode by itself since 7.1; before, this does.
module WriteAheadLog
  def configure_connection
    super
    @connection.execute("PRAGMA journal_mode = WAL")
    @connection.execute("PRAGMA synchronous = NORMAL")
  end
end

if Rails::VERSION::STRING.to_f < 7.1
  ActiveSupport.on_load(:active_record_sqlite3adapter) { prepend WriteAheadLog }
end
