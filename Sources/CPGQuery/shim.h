// libpg_query: PostgreSQL's own grammar, and the C structs of its parse tree.
#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>
