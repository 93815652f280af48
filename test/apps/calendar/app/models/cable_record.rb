class CableRecord < ApplicationRecord
  self.abstract_class = true
  connects_to database: { writing: :cable, reading: :cable }
end
