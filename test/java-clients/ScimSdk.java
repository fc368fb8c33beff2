import de.captaingoldfish.scim.sdk.client.ScimClientConfig;
import de.captaingoldfish.scim.sdk.client.ScimRequestBuilder;
import de.captaingoldfish.scim.sdk.client.resources.MetaConfiguration;
import de.captaingoldfish.scim.sdk.client.response.ServerResponse;
import de.captaingoldfish.scim.sdk.common.constants.EndpointPaths;
import de.captaingoldfish.scim.sdk.common.constants.enums.Comparator;
import de.captaingoldfish.scim.sdk.common.constants.enums.HttpMethod;
import de.captaingoldfish.scim.sdk.common.constants.enums.PatchOp;
import de.captaingoldfish.scim.sdk.common.constants.enums.SortOrder;
import de.captaingoldfish.scim.sdk.common.resources.Group;
import de.captaingoldfish.scim.sdk.common.resources.User;
import de.captaingoldfish.scim.sdk.common.resources.complex.Name;
import de.captaingoldfish.scim.sdk.common.resources.multicomplex.Email;
import de.captaingoldfish.scim.sdk.common.resources.multicomplex.Member;
import de.captaingoldfish.scim.sdk.common.response.BulkResponse;
import de.captaingoldfish.scim.sdk.common.response.ListResponse;
import java.util.List;
import java.util.Map;

/** The client of SCIM-SDK: arguments are a base URL and an API key. */
public final class ScimSdk {
  private static ScimRequestBuilder clientOf(String base, String key) {
    return new ScimRequestBuilder(base, ScimClientConfig.builder()
        .httpHeaders(Map.of("Authorization", "Bearer " + key))
        // The client would refuse an answer of any other type.
        .expectedHttpResponseHeaders(Map.of("Content-Type", "application/scim+json"))
        .build());
  }

  private static User user(String userName) {
    return User.builder().userName(userName).active(true)
        .name(Name.builder().givenName("Ada").familyName("Lovelace").build())
        .emails(List.of(Email.builder().value(userName + "@x.example").type("work").primary(true).build())).build();
  }

  private static boolean is(ServerResponse<?> answer, int status) {
    if (answer.getHttpStatus() == status) return true;
    throw new IllegalStateException(answer.getHttpStatus() + " " + answer.getResponseBody());
  }

  private static boolean refused(ServerResponse<?> answer, int status) {
    return is(answer, status) && answer.getErrorResponse() != null && answer.getErrorResponse().getDetail().isPresent();
  }

  private static ServerResponse<User> create(ScimRequestBuilder scim, String userName) {
    return scim.create(User.class, EndpointPaths.USERS).setResource(user(userName)).sendRequest();
  }

  private static ListResponse<User> found(ServerResponse<ListResponse<User>> answer) {
    is(answer, 200);
    return answer.getResource();
  }

  public static void main(String[] args) {
    ScimRequestBuilder scim = clientOf(args[0], args[1]);
    Checks checks = new Checks();
    String mark = Long.toString(System.currentTimeMillis(), 36);

    checks.check("ServiceProviderConfig", () -> scim.loadServiceProviderConfiguration().getPatchConfig().isSupported());
    checks.check("all of discovery", () -> {
      MetaConfiguration all = scim.loadMetaConfiguration().sendRequest().getResource();
      return all.getServiceProvider().getBulkConfig().isSupported() && all.getResourceTypes().size() == 2 && all.getSchemas().size() >= 3;
    });
    checks.check("a wrong key is 401", () -> refused(clientOf(args[0], "rck_wrong").list(User.class, EndpointPaths.USERS).get().sendRequest(), 401));

    ServerResponse<User> made = create(scim, "ada-" + mark);
    User ada = made.getResource();
    String id = ada.getId().orElseThrow();
    checks.check("create", () -> made.isSuccess() && made.isValidScimResponse() && ada.getMeta().orElseThrow().getVersion().isPresent());
    checks.check("create the same again is 409", () -> refused(create(scim, "ADA-" + mark), 409));
    checks.check("get", () -> scim.get(User.class, EndpointPaths.USERS, id).sendRequest().getResource().equals(ada));
    checks.check("get what has not changed is 304", () -> is(scim.get(User.class, EndpointPaths.USERS, id)
        .setETagForIfNoneMatch(ada.getMeta().orElseThrow().getVersion().orElseThrow()).sendRequest(), 304));
    checks.check("get what is not there is 404", () -> refused(scim.get(User.class, EndpointPaths.USERS, "none").sendRequest(), 404));

    checks.check("update", () -> {
      ada.setDisplayName("Ada");
      ServerResponse<User> answer = scim.update(User.class, EndpointPaths.USERS, id)
          .setETagForIfMatch(ada.getMeta().orElseThrow().getVersion().orElseThrow()).setResource(ada).sendRequest();
      return is(answer, 200) && answer.getResource().getDisplayName().orElseThrow().equals("Ada");
    });
    checks.check("update an old version is 412", () -> refused(scim.update(User.class, EndpointPaths.USERS, id)
        .setETagForIfMatch(ada.getMeta().orElseThrow().getVersion().orElseThrow()).setResource(ada).sendRequest(), 412));
    checks.check("patch with a path", () -> {
      ServerResponse<User> answer = scim.patch(User.class, EndpointPaths.USERS, id)
          .addOperation().op(PatchOp.REPLACE).path("title").value("Countess").build().sendRequest();
      return is(answer, 200) && answer.getResource().getTitle().orElseThrow().equals("Countess");
    });
    checks.check("patch what a filter selects, and several operations", () -> {
      ServerResponse<User> answer = scim.patch(User.class, EndpointPaths.USERS, id)
          .addOperation().op(PatchOp.REPLACE).path("emails[type eq \"work\"].value").value("new@x.example")
          .next().op(PatchOp.ADD).path("emails").valueNode(Email.builder().value("home@x.example").type("home").build())
          .next().op(PatchOp.REMOVE).path("title").build().sendRequest();
      return is(answer, 200) && answer.getResource().getEmails().size() == 2 && answer.getResource().getTitle().isEmpty();
    });
    checks.check("patch without a path", () -> {
      ServerResponse<User> answer = scim.patch(User.class, EndpointPaths.USERS, id)
          .addOperation().op(PatchOp.REPLACE).valueNode(User.builder().nickName("A").build()).build().sendRequest();
      return is(answer, 200) && answer.getResource().getNickName().orElseThrow().equals("A");
    });
    checks.check("patch with a path that is none is 400", () -> refused(scim.patch(User.class, EndpointPaths.USERS, id)
        .addOperation().op(PatchOp.REPLACE).path("emails[").value("x").build().sendRequest(), 400));

    checks.check("bulk that refers to what it makes", () -> {
      ServerResponse<BulkResponse> answer = scim.bulk()
          .bulkRequestOperation(EndpointPaths.USERS).method(HttpMethod.POST).bulkId("u1").data(user("page-0-" + mark)).next()
          .bulkRequestOperation(EndpointPaths.USERS).method(HttpMethod.POST).bulkId("u2").data(user("page-1-" + mark)).next()
          .bulkRequestOperation(EndpointPaths.GROUPS).method(HttpMethod.POST).bulkId("g1")
          .data(Group.builder().displayName("Group " + mark).members(List.of(Member.builder().value("bulkId:u1").build())).build())
          .sendRequest();
      return is(answer, 200) && answer.getResource().getBulkResponseOperations().size() == 3
          && answer.getResource().getBulkResponseOperations().stream().allMatch(each -> each.getStatus() == 201);
    });
    checks.check("bulk that changes and deletes", () -> {
      String made2 = create(scim, "page-2-" + mark).getResource().getId().orElseThrow();
      ServerResponse<BulkResponse> answer = scim.bulk()
          .bulkRequestOperation(EndpointPaths.USERS + "/" + id).method(HttpMethod.PUT).data(user("ada-" + mark)).next()
          .bulkRequestOperation(EndpointPaths.USERS + "/" + made2).method(HttpMethod.DELETE).sendRequest();
      return is(answer, 200) && answer.getResource().getSuccessfulOperations().count() == 2;
    });

    checks.check("list by a filter", () -> found(scim.list(User.class, EndpointPaths.USERS)
        .filter("userName", Comparator.EQ, "ada-" + mark).build().get().sendRequest()).getTotalResults() == 1);
    checks.check("list sorted and by page", () -> {
      ListResponse<User> page = found(scim.list(User.class, EndpointPaths.USERS).filter("userName ew \"" + mark + "\"")
          .sortBy("userName").sortOrder(SortOrder.DESCENDING).startIndex(2).count(1).get().sendRequest());
      return page.getTotalResults() == 3 && page.getStartIndex() == 2
          && page.getListedResources().get(0).getUserName().orElseThrow().startsWith("page-0");
    });
    checks.check("list by POST", () -> found(scim.list(User.class, EndpointPaths.USERS).filter("userName", Comparator.EW, mark)
        .and("active", Comparator.EQ, "true").build().attributes("userName").count(10).post().sendRequest()).getTotalResults() == 3);
    checks.check("list by a filter with brackets", () -> found(scim.list(User.class, EndpointPaths.USERS)
        .filter(true, "userName", Comparator.SW, "page-0").or("userName", Comparator.SW, "page-1").closeParenthesis()
        .and("userName", Comparator.EW, mark).build().get().sendRequest()).getTotalResults() == 2);
    checks.check("a filter that is none is 400", () ->
        refused(scim.list(User.class, EndpointPaths.USERS).filter("userName is x").get().sendRequest(), 400));

    checks.check("a group and its members", () -> {
      ListResponse<Group> groups = scim.list(Group.class, EndpointPaths.GROUPS).filter("displayName eq \"Group " + mark + "\"").get().sendRequest().getResource();
      Group group = groups.getListedResources().get(0);
      ServerResponse<Group> answer = scim.patch(Group.class, EndpointPaths.GROUPS, group.getId().orElseThrow())
          .addOperation().op(PatchOp.ADD).path("members").valueNode(Member.builder().value(id).build()).build().sendRequest();
      return is(answer, 200) && answer.getResource().getMembers().size() == 2
          && is(scim.delete(Group.class, EndpointPaths.GROUPS, group.getId().orElseThrow()).sendRequest(), 204);
    });
    checks.check("delete all that was made", () -> {
      for (User each : found(scim.list(User.class, EndpointPaths.USERS).filter("userName ew \"" + mark + "\"").get().sendRequest()).getListedResources())
        is(scim.delete(User.class, EndpointPaths.USERS, each.getId().orElseThrow()).sendRequest(), 204);
      return refused(scim.delete(User.class, EndpointPaths.USERS, id).sendRequest(), 404);
    });
    checks.end();
  }
}
