class CreateReminders < ActiveRecord::Migration[6.1]
  def change
    create_table :reminders do |t|
      t.integer :event_id, null: false, index: true
      t.datetime :run_at, null: false
      t.timestamps
    end
  end
end
