"""An endpoint in OpenAI's protocol, behind which a planner and an executor answer."""
