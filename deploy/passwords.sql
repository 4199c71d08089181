-- Gives the services' roles the passwords of the environment; may be run again.
\getenv command COMMAND_PASSWORD
\getenv projection PROJECTION_PASSWORD
ALTER ROLE homefood_command PASSWORD :'command';
ALTER ROLE homefood_projection PASSWORD :'projection';
