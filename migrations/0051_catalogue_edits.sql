-- Kitchens and administrators edit the catalogue through the API.

-- Rises with every change of a dish; changes name the version they saw. The price has a version of its own, which orders
-- freeze.
ALTER TABLE dishes ADD COLUMN version int NOT NULL DEFAULT 1;

-- Never DELETE: orders and read models name what was once on the menu.
GRANT INSERT, UPDATE ON categories, producers, dishes TO homefood_command;
