class SessionsController < ApplicationController
  def create
    session[:name] = params.require(:name)
    redirect_to root_path, notice: "Welcome, #{session[:name]}."
  end

  def destroy
    reset_session
    redirect_to root_path, notice: "Good bye."
  end
end
