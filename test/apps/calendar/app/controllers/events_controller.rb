class EventsController < ApplicationController
  before_action :find_event, only: %i[edit update destroy]

  def index
    @events = Event.in_order.with_attached_files
    respond_to do |format|
      format.html
      format.json { render json: @events.as_json(only: %i[id title starts_at notes]) }
    end
  end

  def new
    @event = Event.new(starts_at: Time.current.tomorrow.change(hour: 20))
  end

  def create
    @event = Event.new(event_params)
    if @event.save
      redirect_to events_path, notice: "“#{@event.title}” is in the calendar."
    else
      render :new, status: :unprocessable_entity
    end
  end

  def edit
  end

  def update
    if @event.update(event_params)
      redirect_to events_path, notice: "“#{@event.title}” was changed."
    else
      render :edit, status: :unprocessable_entity
    end
  end

  def destroy
    @event.destroy!
    redirect_to events_path, notice: "“#{@event.title}” is gone."
  end

  private

  def find_event
    @event = Event.find(params[:id])
  end

  def event_params
    params.require(:event).permit(:title, :starts_at, :notes, files: [])
  end
end
