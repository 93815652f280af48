class CreateCacheEntries < ActiveRecord::Migration[6.1]
  def change
    create_table :cache_entries do |t|
      t.string :key, null: false, index: { unique: true }
      t.text :value
      t.timestamps
    end
  end
end
