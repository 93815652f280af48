# A job: who is to be reminded of an event, and when.
class Reminder < QueueRecord
end
