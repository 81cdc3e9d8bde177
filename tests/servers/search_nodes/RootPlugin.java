// Answers GET /, which the server's own distribution has in a module that is not on Maven Central.
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;

public class RootPlugin extends Plugin implements ActionPlugin {
  public List<RestHandler> getRestHandlers(
      Settings settings, NamedWriteableRegistry names, RestController controller, ClusterSettings clusterSettings,
      IndexScopedSettings indexSettings, SettingsFilter filter, IndexNameExpressionResolver resolver,
      Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
    return List.of(new BaseRestHandler() {
      public String getName() {
        return "main";
      }

      public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
      }

      protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        return channel -> {
          var body = channel.newBuilder();
          var build = Build.current();
          body.startObject().field("name", "n1").field("cluster_name", "tests").field("cluster_uuid", "_na_")
              .startObject("version").field("number", build.version()).field("build_flavor", build.flavor())
              .field("build_type", build.type().displayName()).field("build_hash", build.hash())
              .field("build_date", build.date()).field("build_snapshot", false)
              .field("lucene_version", org.apache.lucene.util.Version.LATEST.toString())
              .field("minimum_wire_compatibility_version", build.minWireCompatVersion())
              .field("minimum_index_compatibility_version", build.minIndexCompatVersion())
              .endObject().field("tagline", "You Know, for Search").endObject();
          channel.sendResponse(new RestResponse(RestStatus.OK, body));
        };
      }
    });
  }
}
