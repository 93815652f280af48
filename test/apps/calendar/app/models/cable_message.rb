# What was broadcast: kept so that a page could catch up.
class CableMessage < CableRecord
  def self.broadcast(channel, payload)
    create!(channel: channel, payload: payload.to_json)
    ActionCable.server.broadcast(channel, payload)
  end
end
