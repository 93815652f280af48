class ApplicationController < ActionController::Base
  before_action { session[:visits] = session.fetch(:visits, 0) + 1 unless request.format.json? }
end
