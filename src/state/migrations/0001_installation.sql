-- The installation id marks this repository's Docker objects: 12 hexadecimal digits, random, made once.
INSERT INTO `meta` (`key`, `value`) VALUES ('installation', lower(hex(randomblob(6))));
