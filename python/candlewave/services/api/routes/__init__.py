"""The endpoints of /v1, by subject. A route reads rows, shapes them and answers; its SQL is in the room queries."""
