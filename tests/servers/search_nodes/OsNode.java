// An OpenSearch node within a plain Java machine: OsNode HOME DATA PORT [SETTING=VALUE...]
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.Plugin;

public class OsNode extends Node {
  static final String[] PLUGINS = {
    "org.opensearch.transport.Netty4ModulePlugin", "org.opensearch.transport.Netty4Plugin",
    "org.opensearch.index.mapper.MapperExtrasModulePlugin", "org.opensearch.analysis.common.CommonAnalysisModulePlugin"
  };

  OsNode(Environment environment, Collection<Class<? extends Plugin>> plugins) {
    super(environment, plugins, false);
  }

  public static void main(String[] given) throws Exception {
    Path home = Paths.get(given[0]), data = Paths.get(given[1]);
    Files.createDirectories(home.resolve("config"));
    Files.createDirectories(data);
    Settings.Builder settings = Settings.builder()
        .put("path.home", home.toString()).put("path.data", data.toString())
        .put("cluster.name", "tests").put("node.name", "n1")
        .put("network.host", "127.0.0.1").put("http.port", given[2])
        .put("discovery.type", "single-node")
        .put("cluster.routing.allocation.disk.threshold_enabled", false)
        .put("transport.type", "netty4").put("http.type", "netty4");
    for (int i = 3; i < given.length; i++) {
      String[] pair = given[i].split("=", 2);
      settings.put(pair[0], pair[1]);
    }
    List<Class<? extends Plugin>> plugins = new ArrayList<>();
    for (String name : PLUGINS) {
      try {
        plugins.add(Class.forName(name).asSubclass(Plugin.class));
      } catch (ClassNotFoundException absent) {
        System.err.println("without " + name);
      }
    }
    Environment environment = InternalSettingsPreparer.prepareEnvironment(
        settings.build(), Collections.emptyMap(), home.resolve("config"), () -> "n1");
    OsNode node = new OsNode(environment, plugins);
    node.start();
    Thread.currentThread().join();
  }
}
