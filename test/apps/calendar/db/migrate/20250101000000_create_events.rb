class CreateEvents < ActiveRecord::Migration[6.1]
  def change
    create_table :events do |t|
      t.string :title, null: false
      t.datetime :starts_at, null: false, index: true
      t.text :notes
      t.timestamps
    end
  end
end
