class Event < ApplicationRecord
  has_many_attached :files

  validates :title, :starts_at, presence: true

  scope :in_order, -> { order(:starts_at, :id) }

  after_create_commit { Reminder.create!(event_id: id, run_at: starts_at - 1.hour) }
  after_commit :announce

  # "12 events, the next one is Summer Ball": asked on every page, so it is kept in the cache's database.
  def self.summary
    CacheEntry.fetch("summary") do
      coming = where("starts_at >= ?", Time.current).in_order.first
      "#{count} #{"event".pluralize(count)}#{", next: #{coming.title}" if coming}"
    end
  end

  private

  def announce
    CacheEntry.forget("summary")
    CableMessage.broadcast("events", "id" => id, "gone" => destroyed?)
    Feed.publish("event" => id)
  end
end
