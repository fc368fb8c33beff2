select p.group_id::text as "groupId", p.member_id::text as "memberId", (
  select r.resource_type from resources r where r.tenant_id = $1::uuid and r.id = p.member_id
) as "memberType"
from (
  select m.group_id, m.member_id from memberships m where m.tenant_id = $1::uuid and m.group_id = $2::uuid and (m.group_id, m.member_id) > ($3::uuid, $4::uuid)
  order by m.group_id, m.member_id limit 100
) p
order by p.group_id, p.member_id;
