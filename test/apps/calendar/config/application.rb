require_relative "boot"

require "rails"
require "active_model/railtie"
require "active_job/railtie"
require "active_record/railtie"
require "active_storage/engine"
require "action_controller/railtie"
require "action_view/railtie"
require "action_cable/engine"

Bundler.require(*Rails.groups)

module Calendar
  class Application < Rails::Application
    config.load_defaults Rails::VERSION::STRING.to_f
    config.active_storage.analyzers = []
    config.active_storage.previewers = []
  end
end
