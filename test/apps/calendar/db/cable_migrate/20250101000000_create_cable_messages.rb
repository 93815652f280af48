class CreateCableMessages < ActiveRecord::Migration[6.1]
  def change
    create_table :cable_messages do |t|
      t.string :channel, null: false
      t.text :payload, null: false
      t.timestamps
    end
  end
end
