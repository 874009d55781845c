"""What is run and the desk it is run from: definitions, runner, tracking, reports, the command line."""
