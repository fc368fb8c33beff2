select "id", "key", "name", "paused", "created_at"
from "projects"
where "projects"."key_folded" = $1;
