class CacheEntry < CacheRecord
  def self.fetch(key)
    found = find_by(key: key)
    return found.value if found

    yield.tap { |value| create_or_find_by!(key: key) { |entry| entry.value = value } }
  end

  def self.forget(key)
    where(key: key).delete_all
  end
end
