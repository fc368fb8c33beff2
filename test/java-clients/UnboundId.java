import com.fasterxml.jackson.databind.node.TextNode;
import com.unboundid.scim2.client.ScimService;
import com.unboundid.scim2.common.exceptions.NotModifiedException;
import com.unboundid.scim2.common.exceptions.PreconditionFailedException;
import com.unboundid.scim2.common.exceptions.ResourceConflictException;
import com.unboundid.scim2.common.exceptions.ResourceNotFoundException;
import com.unboundid.scim2.common.exceptions.UnauthorizedException;
import com.unboundid.scim2.common.filters.Filter;
import com.unboundid.scim2.common.messages.ListResponse;
import com.unboundid.scim2.common.messages.PatchOperation;
import com.unboundid.scim2.common.messages.PatchRequest;
import com.unboundid.scim2.common.messages.SortOrder;
import com.unboundid.scim2.common.types.Email;
import com.unboundid.scim2.common.types.EnterpriseUserExtension;
import com.unboundid.scim2.common.types.GroupResource;
import com.unboundid.scim2.common.types.Manager;
import com.unboundid.scim2.common.types.Member;
import com.unboundid.scim2.common.types.Name;
import com.unboundid.scim2.common.types.UserResource;
import jakarta.ws.rs.client.Client;
import jakarta.ws.rs.client.ClientBuilder;
import jakarta.ws.rs.client.ClientRequestFilter;
import java.util.List;
import org.glassfish.jersey.apache5.connector.Apache5ConnectorProvider;
import org.glassfish.jersey.client.ClientConfig;

/** The client of UnboundID's SCIM 2 SDK: arguments are a base URL and an API key. */
public final class UnboundId {
  private static ScimService clientOf(String base, String key) {
    Client client = ClientBuilder.newClient(new ClientConfig().connectorProvider(new Apache5ConnectorProvider()));
    client.register((ClientRequestFilter) request -> request.getHeaders().putSingle("Authorization", "Bearer " + key));
    return new ScimService(client.target(base));
  }

  private static UserResource user(String userName) {
    return new UserResource()
        .setUserName(userName)
        .setName(new Name().setGivenName("Ada").setFamilyName("Lovelace"))
        .setActive(true)
        .setEmails(List.of(new Email().setValue(userName + "@x.example").setType("work").setPrimary(true)));
  }

  private static boolean throwing(Class<? extends Exception> type, Checks.Check what) throws Exception {
    try {
      what.run();
      return false;
    } catch (Exception thrown) {
      if (type.isInstance(thrown)) return true;
      throw thrown;
    }
  }

  public static void main(String[] args) throws Exception {
    ScimService scim = clientOf(args[0], args[1]);
    Checks checks = new Checks();
    String mark = Long.toString(System.currentTimeMillis(), 36);

    checks.check("ServiceProviderConfig", () -> scim.getServiceProviderConfig().getPatch().isSupported());
    checks.check("ResourceTypes", () -> scim.getResourceTypes().getTotalResults() == 2);
    checks.check("ResourceTypes/User", () -> scim.getResourceType("User").getEndpoint().toString().equals("/Users"));
    checks.check("Schemas", () -> scim.getSchemas().getTotalResults() >= 6);
    checks.check("a schema", () -> !scim.getSchema("urn:ietf:params:scim:schemas:core:2.0:User").getAttributes().isEmpty());
    checks.check("a wrong key is 401", () ->
        throwing(UnauthorizedException.class, () -> clientOf(args[0], "rck_wrong").search("Users", null, UserResource.class) != null));

    UserResource ada = scim.create("Users", user("ada-" + mark));
    checks.check("create", () -> ada.getId() != null && ada.getMeta().getVersion() != null && ada.getMeta().getLocation() != null);
    checks.check("create the same again is 409", () ->
        throwing(ResourceConflictException.class, () -> scim.create("Users", user("ADA-" + mark)) != null));
    checks.check("retrieve", () -> scim.retrieve("Users", ada.getId(), UserResource.class).equals(ada));
    checks.check("retrieve by location", () -> scim.retrieve(ada.getMeta().getLocation(), UserResource.class).equals(ada));
    checks.check("retrieve what has not changed is 304", () ->
        throwing(NotModifiedException.class, () -> scim.retrieveRequest(ada).ifNoneMatch().invoke() != null));
    checks.check("retrieve some attributes", () -> {
      UserResource some = scim.retrieveRequest("Users", ada.getId()).attributes("userName").invoke(UserResource.class);
      return some.getUserName().equals(ada.getUserName()) && some.getEmails() == null;
    });
    checks.check("retrieve without an attribute", () ->
        scim.retrieveRequest("Users", ada.getId()).excludedAttributes("emails").invoke(UserResource.class).getEmails() == null);
    checks.check("what is not there is 404", () ->
        throwing(ResourceNotFoundException.class, () -> scim.retrieve("Users", "none", UserResource.class) != null));

    checks.check("replace", () -> {
      UserResource now = scim.retrieve("Users", ada.getId(), UserResource.class).setDisplayName("Ada");
      return scim.replaceRequest(now).ifMatch().invoke().getDisplayName().equals("Ada");
    });
    checks.check("replace an old version is 412", () ->
        throwing(PreconditionFailedException.class, () -> scim.replaceRequest(ada).ifMatch().invoke() != null));
    checks.check("modify a value", () ->
        scim.modifyRequest("Users", ada.getId()).replaceValue("title", "Countess").invoke(UserResource.class).getTitle().equals("Countess"));
    checks.check("modify a value that a filter selects", () ->
        scim.modifyRequest("Users", ada.getId()).replaceValue("emails[type eq \"work\"].value", "new@x.example")
            .invoke(UserResource.class).getEmails().get(0).getValue().equals("new@x.example"));
    checks.check("modify by adding to a list", () ->
        scim.modifyRequest("Users", ada.getId()).addValues("emails", new Email().setValue("home@x.example").setType("home"))
            .invoke(UserResource.class).getEmails().size() == 2);
    checks.check("modify by removing what a filter selects", () ->
        scim.modifyRequest("Users", ada.getId()).removeValues("emails[type eq \"home\"]").invoke(UserResource.class).getEmails().size() == 1);
    checks.check("modify by a request of several operations", () ->
        scim.modify("Users", ada.getId(), new PatchRequest(List.of(
            PatchOperation.replace("nickName", new TextNode("A")), PatchOperation.remove("title"))), UserResource.class)
            .getTitle() == null);
    checks.check("modify the enterprise extension", () -> {
      UserResource boss = scim.create("Users", user("boss-" + mark));
      UserResource now = scim.retrieve("Users", ada.getId(), UserResource.class);
      now.setExtension(new EnterpriseUserExtension().setDepartment("Engines").setManager(new Manager().setValue(boss.getId())));
      EnterpriseUserExtension stored = scim.replace(now).getExtension(EnterpriseUserExtension.class);
      return stored.getDepartment().equals("Engines") && stored.getManager().getValue().equals(boss.getId());
    });

    for (int n = 0; n < 5; n++) scim.create("Users", user("page-" + n + "-" + mark));
    String ours = Filter.and(Filter.sw("userName", "page-"), Filter.ew("userName", mark)).toString();
    checks.check("search", () -> scim.search("Users", Filter.eq("userName", "ada-" + mark).toString(), UserResource.class).getTotalResults() == 1);
    checks.check("search for nothing", () -> scim.search("Users", Filter.eq("userName", "nobody").toString(), UserResource.class).getTotalResults() == 0);
    checks.check("search sorted and by page", () -> {
      ListResponse<UserResource> page =
          scim.searchRequest("Users").filter(ours).sort("userName", SortOrder.DESCENDING).page(2, 2).invoke(UserResource.class);
      return page.getTotalResults() == 5 && page.getStartIndex() == 2 && page.getItemsPerPage() == 2
          && page.getResources().get(0).getUserName().startsWith("page-3");
    });
    checks.check("search by POST", () ->
        scim.searchRequest("Users").filter(ours).attributes("userName").page(1, 10).invokePost(UserResource.class).getResources().size() == 5);
    checks.check("search with brackets", () ->
        scim.search("Users", "emails[type eq \"work\" and value sw \"page-\"] and not (userName pr and userName sw \"ada\") and userName ew \"" + mark + "\"",
            UserResource.class).getTotalResults() == 5);

    GroupResource group = scim.create("Groups", new GroupResource().setDisplayName("Group " + mark)
        .setMembers(List.of(new Member().setValue(ada.getId()))));
    checks.check("a group with a member", () -> group.getMembers().size() == 1);
    checks.check("a user shows the group", () ->
        scim.retrieve("Users", ada.getId(), UserResource.class).getGroups().get(0).getValue().equals(group.getId()));
    checks.check("a group without the member", () ->
        scim.modifyRequest("Groups", group.getId()).removeValues("members[value eq \"" + ada.getId() + "\"]")
            .invoke(GroupResource.class).getMembers().isEmpty());
    checks.check("delete", () -> {
      scim.delete("Groups", group.getId());
      return throwing(ResourceNotFoundException.class, () -> scim.retrieve("Groups", group.getId(), GroupResource.class) != null);
    });
    checks.check("delete all that was made", () -> {
      for (UserResource made : scim.search("Users", Filter.ew("userName", mark).toString(), UserResource.class)) scim.delete(made);
      return scim.search("Users", Filter.ew("userName", mark).toString(), UserResource.class).getTotalResults() == 0;
    });
    checks.end();
  }
}
