// PUT and GET /_data_stream/NAME, which the server's own distribution has in a module that is not on Maven Central. The
// data streams themselves, their templates and writing to them are in the server.
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.action.admin.indices.create.AutoCreateAction;
import org.elasticsearch.action.admin.indices.create.CreateIndexRequest;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.IndexNotFoundException;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.rest.action.RestBuilderListener;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.action.admin.cluster.state.ClusterStateResponse;
import org.elasticsearch.xcontent.XContentBuilder;

public class DataStreamsPlugin extends Plugin implements ActionPlugin {
  static final TimeValue LONG = TimeValue.timeValueSeconds(60);

  public List<RestHandler> getRestHandlers(
      Settings settings, NamedWriteableRegistry names, RestController controller, ClusterSettings clusterSettings,
      IndexScopedSettings indexSettings, SettingsFilter filter, IndexNameExpressionResolver resolver,
      Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features) {
    return List.of(new Put(), new Get());
  }

  static class Put extends BaseRestHandler {
    public String getName() {
      return "create_data_stream";
    }

    public List<Route> routes() {
      return List.of(new Route(RestRequest.Method.PUT, "/_data_stream/{name}"));
    }

    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
      var wanted = new CreateIndexRequest(request.param("name")).masterNodeTimeout(LONG);
      return channel -> client.execute(AutoCreateAction.INSTANCE, wanted, new RestToXContentListener<>(channel));
    }
  }

  static class Get extends BaseRestHandler {
    public String getName() {
      return "get_data_stream";
    }

    public List<Route> routes() {
      return List.of(new Route(RestRequest.Method.GET, "/_data_stream/{name}"));
    }

    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
      String name = request.param("name");
      return channel -> client.admin().cluster().prepareState(LONG).execute(new RestBuilderListener<>(channel) {
        public RestResponse buildResponse(ClusterStateResponse answer, XContentBuilder body) throws Exception {
          var stream = answer.getState().metadata().dataStreams().get(name);
          if (stream == null) {
            throw new IndexNotFoundException(name);
          }
          body.startObject().startArray("data_streams").startObject().field("name", name);
          body.startArray("indices");
          for (var index : stream.getIndices()) {
            body.map(Map.of("index_name", index.getName(), "index_uuid", index.getUUID()));
          }
          body.endArray().endObject().endArray().endObject();
          return new RestResponse(RestStatus.OK, body);
        }
      });
    }
  }
}
