Rails.application.routes.draw do
  get "up", to: proc { [200, { "Content-Type" => "text/html" }, ["<!doctype html><title>up</title>"]] }

  get "events/stream", to: "streams#show"
  resources :events, except: :show
  resource :session, only: %i[create destroy]
  root "events#index"
end
