// The parts of ECharts that the report draws with. Tooltips, breadcrumbs and
// legends are the page's own (report.js), so that every name is set as text.
import { use, init } from "echarts/core";
import { BarChart, LineChart, SunburstChart, TreemapChart } from "echarts/charts";
import { GridComponent } from "echarts/components";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, SunburstChart, TreemapChart, GridComponent, CanvasRenderer]);

export { init };
